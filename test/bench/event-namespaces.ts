import { parseArgs } from 'node:util'
import { ensureQueues } from '../../lib/aws/queues.ts'
import { openClient } from '../../lib/kubernetes/client/client.ts'
import { installManifests } from '../../lib/kubernetes/install/install.ts'
import { startTestControlPlane } from '../support/control-plane.ts'
import { type ManyEventsFigures, manyEvents, type SweepFigures } from '../support/many-events.ts'
import { startTestOperator } from '../support/operator.ts'
import { startTestPostgres } from '../support/postgres.ts'
import { startTestQueues } from '../support/queues.ts'

/** Gives many events a namespace each, has all of them collected, and prints what that takes. */
const { values } = parseArgs({ options: { events: { type: 'string', default: '1000' } } })
const count = Number(values.events)
const limitMs = 1_800_000
const write = (text: string) => void process.stdout.write(`${text}\n`)
const began = Date.now()
const progress = (line: string) =>
  void process.stderr.write(`${String(Math.round((Date.now() - began) / 1_000)).padStart(4)} s  ${line}\n`)

const stack = new AsyncDisposableStack()
try {
  const plane = await startTestControlPlane({ full: true })
  stack.defer(() => plane.stop())
  const client = openClient({
    connection: { kind: 'kubeconfig', path: plane.kubeconfig },
    userAgent: 'bench',
  })
  stack.defer(() => client.close())
  await installManifests(client, { allowedRegistries: [] }, AbortSignal.timeout(60_000))
  const postgres = await startTestPostgres()
  stack.defer(() => postgres.stop())
  const { clientOptions, stop } = await startTestQueues()
  stack.defer(() => stop())
  const queues = {
    ...(await ensureQueues({ clientOptions, prefix: 'events' }, AbortSignal.timeout(10_000))),
    clientOptions,
  }
  const events = Array.from({ length: count }, (_, index) => index + 1)
  const operator = await startTestOperator({
    plane,
    databaseUrl: postgres.url,
    queues,
    challenges: ['many-events'],
    teams: events,
    env: {
      OPERATOR_PLACEMENT: 'Event',
      OPERATOR_EVENT_QUOTA: 'pods=500',
      OPERATOR_INTERVAL: '15',
      OPERATOR_RESYNC_MINUTES: '1440',
    },
  })
  stack.defer(() => operator.stop())
  const figures = await manyEvents(operator, { queues, events, teamOf: event => event, limitMs, progress })
  for (const line of linesOf(figures)) write(line)
  process.exitCode = figures.left.length === 0 && figures.sweeps.after.enqueued === 0 ? 0 : 1
} finally {
  await stack.disposeAsync()
}

function linesOf({ seconds, answers, made, sweeps, left }: ManyEventsFigures): string[] {
  const rate = (took: number) => `${took.toFixed(1)} s, ${(count / took).toFixed(1)} a second`
  const sweep = (what: string, { milliseconds, calls, enqueued }: SweepFigures) =>
    `resync ${what}: ${Math.round(milliseconds)} ms, ${calls} calls, ${enqueued} messages`
  return [
    `${count} events with one instance each, all of them ${answers.join(' and ')}`,
    `made: ${rate(seconds.made)}`,
    ...Object.entries(made).map(([kind, objects]) => `  ${kind}: ${objects}`),
    `instances gone: ${rate(seconds.ended)}`,
    `namespaces marked: ${rate(seconds.marked)}`,
    `namespaces gone: ${rate(seconds.collected)}`,
    sweep('over instances that run', sweeps.inUse),
    sweep('over namespaces without use', sweeps.unused),
    sweep('over namespaces whose grace is over', sweeps.over),
    sweep('after all of it', sweeps.after),
    `namespaces left: ${left.length}`,
  ]
}
