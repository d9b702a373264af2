import { openEventBus } from '../../lib/aws/eventbridge.ts'
import { sections } from '../../lib/config.ts'
import { configured } from '../../lib/middleware/start-up.ts'
import { createPublish } from '../../lib/publish.ts'
import { openDatabase } from '../../lib/store/database.ts'
import { openOutbox } from '../../lib/store/open-store.ts'
import { openLogger } from '../../lib/telemetry/logger.ts'
import { createHandler } from './handler.ts'

const { operator, database, bus } = configured(process.env, {
  operator: sections.operator,
  database: sections.database,
  bus: sections.bus,
})
const log = openLogger({ level: operator.logLevel, service: 'publish' })
const outbox = openOutbox(
  openDatabase({ ...database, max: 1, applicationName: 'challenge-operator publish' }),
)

export const handler = createHandler({
  publish: createPublish({ outbox, bus: openEventBus({ busName: bus.name }), log }),
  log,
})
