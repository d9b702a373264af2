import { parseArgs } from 'node:util'
import { ensureQueues } from '../../lib/aws/queues.ts'
import { startTestPostgres } from '../support/postgres.ts'
import { startTestQueues } from '../support/queues.ts'
import { openQuietOperator, type Silence } from '../support/quiet-operator.ts'

/** Observes an operator whose instances do not change, with the intervals of a deployment, and prints its calls. */
const { values } = parseArgs({
  options: {
    instances: { type: 'string', default: '200' },
    seconds: { type: 'string', default: '300' },
  },
})
const instances = Number(values.instances)
const seconds = Number(values.seconds)
const write = (text: string) => void process.stdout.write(`${text}\n`)

const stack = new AsyncDisposableStack()
try {
  const postgres = await startTestPostgres()
  stack.defer(() => postgres.stop())
  const { clientOptions, stop } = await startTestQueues()
  stack.defer(() => stop())
  const queues = await ensureQueues({ clientOptions, prefix: 'quiet' }, AbortSignal.timeout(10_000))
  const intervals = { OPERATOR_INTERVAL: '15', OPERATOR_RESYNC_MINUTES: '2' }
  const operator = await openQuietOperator({
    instances,
    databaseUrl: postgres.url,
    queues: { ...queues, clientOptions },
    env: intervals,
  })
  stack.defer(() => operator.stop())
  write(`${instances} instances are Ready and still; listening for ${seconds} s`)
  const silence = await operator.listen(seconds * 1_000)
  for (const [what, count, perMinute] of table(silence))
    write(`${what.padEnd(56)} ${String(count).padStart(6)} ${String(perMinute).padStart(10)}`)
  process.exitCode = isSilent(silence) ? 0 : 1
} finally {
  await stack.disposeAsync()
}

function table({ calls, messages, rows, swept }: Silence): [string, string | number, string][] {
  const counts = new Map<string, number>()
  for (const { userAgent, verb, resource } of calls) {
    const who = /\((.*)\)/.exec(userAgent)?.[1] ?? userAgent
    const what = `${who}: ${verb} ${resource}`
    counts.set(what, (counts.get(what) ?? 0) + 1)
  }
  const rate = (count: number) => ((count * 60) / seconds).toFixed(1)
  const written = rows.after.filter(
    (row, index) => JSON.stringify(row) !== JSON.stringify(rows.before[index]),
  )
  return [
    ['', 'count', 'a minute'],
    ...[...counts].toSorted().map(([what, count]): [string, number, string] => [what, count, rate(count)]),
    ['messages sent', messages.length, rate(messages.length)],
    ['mismatches of a resync', swept.enqueued, ''],
    ['tables written', written.length, ''],
  ]
}

function isSilent({ calls, messages, rows, swept }: Silence): boolean {
  const renewals = (resource: string, verb: string) => resource === 'leases' && verb === 'update'
  const loud = calls.filter(
    ({ verb, resource }) => !['list', 'watch'].includes(verb) && !renewals(resource, verb),
  )
  const quietRows = JSON.stringify(rows.before) === JSON.stringify(rows.after)
  return loud.length === 0 && messages.length === 0 && swept.enqueued === 0 && quietRows
}
