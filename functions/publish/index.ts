import { openEventBus } from '../../lib/aws/eventbridge.ts'
import { openSecretReader } from '../../lib/aws/secret-reader.ts'
import { configured } from '../../lib/middleware/start-up.ts'
import { createPublish } from '../../lib/publish.ts'
import { openDatabase } from '../../lib/store/database.ts'
import { openOutbox } from '../../lib/store/open-store.ts'
import { openEmfMetrics } from '../../lib/telemetry/emf-metrics.ts'
import { databaseAddress } from '../database.ts'
import { createHandler } from './handler.ts'
import { sections } from './sections.ts'

const { operator, database, secrets, bus, log, tracer } = configured({
  service: 'publish',
  environment: process.env,
  sections,
})
const outbox = openOutbox(
  openDatabase({
    url: databaseAddress(database, { read: openSecretReader(secrets), log }),
    max: 1,
    applicationName: 'challenge-operator publish',
  }),
  bus.name,
)

export const handler = createHandler({
  publish: createPublish({ outbox, bus: openEventBus({ busName: bus.name }), log, tracer }),
  oldestMs: outbox.oldestMs,
  log,
  metrics: openEmfMetrics(operator.installation),
  tracer,
})
