import { mkdtemp, rm } from 'node:fs/promises'
import { loadavg } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { windowRequest } from '../../lib/aws/window-request.ts'
import { startEventBus } from '../../local/parts/event-bus.ts'
import { openBenchCluster } from './bench-cluster.ts'
import { bundleFunction } from './bundle.ts'
import { startEventStream } from './event-stream.ts'
import { functionEnvironment, startFront } from './lambda-front.ts'
import { processorShare } from './lambda-share.ts'
import { startDatabase } from './operator.ts'
import { sampleOf, templateName } from './sample.ts'
import { openSandbox } from './sandbox.ts'
import { beginWindow, type Window } from './windows.ts'

/**
 * Measures the gap after both windows of the forwarder have died: from their end until the queue has the first message about an
 * instance that was created afterwards. Windows and sweep are the bundled functions with the shares of a processor of their
 * memory. The schedule, the sweeps of each 15 s and the rule of the bus are played at the rates of serverless.yml.
 */
const { values } = parseArgs({
  options: {
    count: { type: 'string', default: '5' },
    /** Milliseconds until an event of the bus has begun its window: EventBridge and Lambda's own queue. */
    'rule-ms': { type: 'string', default: '1000' },
  },
})
const write = (text: string) => void process.stdout.write(`${text}\n`)
const signal = AbortSignal.timeout(1_800_000)
const sample = sampleOf('Shared')
const scheduleMs = 60_000
const sweepMs = 15_000
const windowMs = 900_000

const stack = new AsyncDisposableStack()
const windows: Window[] = []
try {
  const cluster = await openBenchCluster({ full: false, pinned: false, sample }, signal)
  stack.defer(() => cluster.stack.disposeAsync())
  const databaseUrl = await startDatabase(cluster, { teams: 1, challenges: [templateName] }, signal)
  const front = await startFront(cluster.plane)
  stack.defer(() => front.stop())
  const bus = await startEventBus()
  stack.defer(() => bus.stop())
  const folder = await mkdtemp(join(import.meta.dirname, '.bundle-'))
  stack.defer(() => rm(folder, { recursive: true, force: true }))
  const files = [
    join(import.meta.dirname, 'window-process.ts'),
    await bundleFunction('watch-forwarder', folder),
  ]
  const env = {
    ...functionEnvironment(cluster),
    ...sample.environment,
    ...front.variables,
    AWS_ENDPOINT_URL_EVENTBRIDGE: bus.endpoint,
    DATABASE_URL: databaseUrl,
    MALLOC_ARENA_MAX: '1',
    // The bench begins each sweep.
    OPERATOR_INTERVAL: '60',
  }
  const begin = async () => {
    const share = await processorShare(`window-${windows.length}`, 256)
    const window = beginWindow({ files, remainingMs: windowMs, env, share })
    windows.push(window)
    void window.ended.then(() => sleep(200)).then(() => share.remove().catch(() => {}))
    return window
  }
  stack.defer(async () => void (await Promise.all(windows.map(each => each.kill()))))
  bus.onEvent(({ source, detailType }) => {
    if (source !== windowRequest.source || detailType !== windowRequest.type) return
    void sleep(Number(values['rule-ms'])).then(begin)
  })
  const share = await processorShare('sweep', 512)
  stack.defer(() => share.remove())
  const sweep = openSandbox(await bundleFunction('sweep', folder), { env, share })
  stack.defer(() => sweep.stop())
  await sweep.invoke({ time: '2026-01-01T00:01:00Z' })

  const ended = new AbortController()
  stack.defer(() => ended.abort())
  const every = async (ms: number, run: () => Promise<unknown>) => {
    while (!ended.signal.aborted) {
      const next = performance.now() + ms
      await run()
      await sleep(Math.max(0, next - performance.now()), undefined, { signal: ended.signal }).catch(() => {})
    }
  }
  void every(scheduleMs, begin)
  void every(sweepMs, () => sweep.invoke({ time: '2026-01-01T00:01:00Z' }))
  await windows[0]?.said('lease is ours, leading')

  for (let round = 0; round < Number(values.count); round += 1) {
    // The times of schedule and sweeps at which they die differ from round to round.
    await sleep(20_000 + round * 3_700)
    const living = windows.filter(each => !each.lines.some(({ line }) => 'rssMb' in line))
    await Promise.all(living.map(each => each.kill()))
    const diedAt = Date.now()
    const stream = startEventStream(cluster, 2, 1 + round * 1_000, `round-${round}`)
    const isSent = () => stream.events.find(({ sentAt }) => sentAt !== undefined)?.sentAt
    while (isSent() === undefined) await sleep(50, undefined, { signal })
    const load = (loadavg()[0] ?? 0).toFixed(1)
    write(`both died: first message after ${(((isSent() ?? 0) - diedAt) / 1_000).toFixed(1)} s, load ${load}`)
    await stream.stop(20_000)
    const lost = stream.events.filter(({ sentAt }) => sentAt === undefined).length
    write(`  ${stream.events.length} instances were created meanwhile, ${lost} of them have no message`)
  }
} finally {
  await stack.disposeAsync()
}
