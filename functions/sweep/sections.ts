import {
  clusterSection,
  databaseSection,
  optionalBusSection,
  queueSection,
  sweepsSection,
} from '../../lib/config/connections.ts'
import { operatorSection } from '../../lib/config/operator.ts'
import { secretsSection } from '../../lib/config/secrets.ts'

/** The parts of the configuration that the function reads. A deployment reads them before, and refuses what the function would. */
export const sections = {
  operator: operatorSection,
  cluster: clusterSection,
  database: databaseSection,
  secrets: secretsSection,
  queues: queueSection,
  next: sweepsSection,
  /** To begin a window of the forwarder when nobody leads. */
  bus: optionalBusSection,
}
