import { clusterSection, queueSection } from '../../lib/config/connections.ts'
import { operatorSection } from '../../lib/config/operator.ts'
import { secretsSection } from '../../lib/config/secrets.ts'

/** The parts of the configuration that the function reads. A deployment reads them before, and refuses what the function would. */
export const sections = {
  operator: operatorSection,
  cluster: clusterSection,
  secrets: secretsSection,
  queues: queueSection,
}
