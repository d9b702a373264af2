import { openEventBus } from '../../lib/aws/eventbridge.ts'
import { openSecretReader } from '../../lib/aws/secret-reader.ts'
import { configured } from '../../lib/middleware/start-up.ts'
import { createPublish } from '../../lib/publish.ts'
import { openDatabase } from '../../lib/store/database.ts'
import { openOutbox } from '../../lib/store/open-store.ts'
import { openEmfMetrics } from '../../lib/telemetry/emf-metrics.ts'
import { databaseAddress } from '../database.ts'
import { busPart } from '../examine/bus.ts'
import { databasePart } from '../examine/database.ts'
import { examinable } from '../examine/examine.ts'
import { traceHeadersParts } from '../examine/trace-headers.ts'
import { functionTracer } from '../tracing.ts'
import { createHandler } from './handler.ts'
import { sections } from './sections.ts'

const { operator, database, secrets, bus, log } = configured({
  service: 'publish',
  environment: process.env,
  sections,
})
const access = { read: openSecretReader(secrets), log }
const tracer = functionTracer('publish', operator, access)
const address = databaseAddress(database, access)
const db = openDatabase({ url: address, max: 1, applicationName: 'challenge-operator publish' })
const outbox = openOutbox(db, bus.name)

const handle = createHandler({
  publish: createPublish({ outbox, bus: openEventBus({ busName: bus.name }), log, tracer }),
  oldestMs: outbox.oldestMs,
  log,
  metrics: openEmfMetrics(operator.installation),
  tracer,
})

export const handler = examinable(handle, [
  databasePart({ db, address, platform: operator.platform }),
  busPart({ busName: bus.name }),
  ...traceHeadersParts(operator, access),
])
