import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { loadavg } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { forwarderLease, holderOf, type Lease, leaseKind } from '../../lib/kubernetes/lease/record.ts'
import { windowTimes } from '../../lib/kubernetes/lease/seat.ts'
import { openBenchCluster, sideBySide } from './bench-cluster.ts'
import { bundleFunction } from './bundle.ts'
import { namesOf } from './burst.ts'
import { type StreamedEvent, startEventStream } from './event-stream.ts'
import { functionEnvironment, startFront } from './lambda-front.ts'
import { processorShare } from './lambda-share.ts'
import { quantile } from './latency.ts'
import { operated, sampleOf } from './sample.ts'
import { createServingObjects } from './serving-objects.ts'
import { watchUntilListed } from './watch-until-listed.ts'
import { beginWindow, type Window, type WindowStart } from './windows.ts'

/**
 * Measures what handing over the lead delays. Windows of the bundled watch-forwarder follow one another while instances are
 * created at a steady rate. A delay is the time from the answer that an instance exists until the queue has the first message
 * about it. With `--memory` each window has the share of a processor that Lambda gives for it (root, control groups v1).
 */
const { values } = parseArgs({
  options: {
    /** `deployed-later`: a newer deployment takes the lead. `ends`: a window ends once its successor stands by. */
    mode: { type: 'string', default: 'deployed-later' },
    count: { type: 'string', default: '20' },
    rate: { type: 'string', default: '10' },
    memory: { type: 'string', default: '256' },
    instances: { type: 'string', default: '0' },
    /** Processes that keep the processors busy. */
    burners: { type: 'string', default: '0' },
  },
})
const numbers = (name: Exclude<keyof typeof values, 'mode'>) => Number(values[name])
const write = (text: string) => void process.stdout.write(`${text}\n`)
const signal = AbortSignal.timeout(1_800_000)

/** An event this close to a change of the holder counts as one of the handing over. */
const closeMs = 1_500
const wholeWindowMs = 900_000
/** With `ends`, how long a window holds its seat in place of 14 minutes, and how often the schedule begins one. */
const seatedMs = 20_000
const scheduleMs = 8_000

const sample = sampleOf('Shared')
const stack = new AsyncDisposableStack()
const windows: Window[] = []
try {
  const cluster = await openBenchCluster({ full: false, pinned: false, sample }, signal)
  stack.defer(() => cluster.stack.disposeAsync())
  const settle = await createServingObjects(cluster.bare, sample, signal)
  const names = namesOf('ready', numbers('instances')).entries()
  const lay = async () => {
    for (const [index, name] of names) await settle(name, index + 1)
  }
  await Promise.all(Array.from({ length: sideBySide }, lay))

  const front = await startFront(cluster.plane)
  stack.defer(() => front.stop())
  const folder = await mkdtemp(join(import.meta.dirname, '.bundle-'))
  stack.defer(() => rm(folder, { recursive: true, force: true }))
  const files = [
    join(import.meta.dirname, 'window-process.ts'),
    await bundleFunction('watch-forwarder', folder),
  ]
  const changes = await watchHolder(cluster)
  stack.defer(async () => void (await Promise.all(windows.map(each => each.kill()))))
  const shares = numbers('memory') > 0

  const begin = async (deployedAt: number, remainingMs: number): Promise<Window> => {
    const share = shares ? await processorShare(`window-${windows.length}`, numbers('memory')) : undefined
    const env = {
      ...functionEnvironment(cluster),
      ...sample.environment,
      ...front.variables,
      MALLOC_ARENA_MAX: '1',
      OPERATOR_DEPLOYED_AT: new Date(deployedAt).toISOString(),
    }
    const start: WindowStart = { files, remainingMs, env, share }
    const window = beginWindow(start)
    if (share) void window.ended.then(() => sleep(200)).then(() => share.remove().catch(() => {}))
    windows.push(window)
    return window
  }
  const isEnding = values.mode === 'ends'
  const remainingMs = isEnding ? windowTimes.leaveMs + seatedMs : wholeWindowMs
  const deployedAt = Date.now()
  const led = 'lease is ours, leading'
  await (await begin(deployedAt, remainingMs)).said(led)
  const burners = Array.from({ length: numbers('burners') }, () =>
    spawn(process.execPath, ['-e', 'for(;;);'], { stdio: 'ignore' }),
  )
  stack.defer(() => {
    for (const each of burners) each.kill('SIGKILL')
  })
  const stream = startEventStream(cluster, numbers('rate'), numbers('instances') + 1)
  const loads: number[] = []
  // The first change of the holder began it all.
  for (let round = 1; changes.length <= numbers('count'); round += 1) {
    const window = await begin(isEnding ? deployedAt : deployedAt + round * 1_000, remainingMs)
    if (isEnding) await sleep(scheduleMs)
    else {
      await window.said(led)
      await sleep(5_000)
    }
    loads.push(loadavg()[0] ?? 0)
    process.stderr.write(`${changes.length - 1} hand-overs\n`)
  }
  await stream.stop(20_000)
  report(stream.events, changes.slice(1), loads)
} finally {
  await stack.disposeAsync()
}

/** @returns the times at which a watch showed another holder, epoch milliseconds; it grows */
async function watchHolder({ client, signal: until }: Awaited<ReturnType<typeof openBenchCluster>>) {
  const changes: number[] = []
  let last = ''
  const target = { ...leaseKind, namespace: operated, fieldSelector: `metadata.name=${forwarderLease}` }
  const onObject = (lease: Lease) => {
    const holder = holderOf(lease)
    if (holder !== '' && holder !== last) {
      last = holder
      changes.push(Date.now())
    }
  }
  await watchUntilListed<Lease>(client, target, { onObject }, until)
  return changes
}

function report(
  events: readonly StreamedEvent[],
  changes: readonly number[],
  loads: readonly number[],
): void {
  const isClose = ({ createdAt }: StreamedEvent) => changes.some(at => Math.abs(createdAt - at) <= closeMs)
  const come = events.filter(({ sentAt }) => sentAt !== undefined)
  const delayOf = ({ sentAt = 0, createdAt }: StreamedEvent) => Math.max(0, sentAt - createdAt)
  const close = come.filter(isClose)
  const worst = changes.map(at =>
    Math.max(...come.filter(({ createdAt }) => Math.abs(createdAt - at) <= closeMs).map(delayOf)),
  )
  const row = (title: string, delays: number[]) =>
    [title.padEnd(34), delays.length, ...[0.5, 0.9, 0.99, 1].map(share => quantile(delays, share))].join('  ')
  write(
    `${values.mode}, ${changes.length} hand-overs, ${values.memory} MB, ${values.instances} instances, ${values.rate} events a second`,
  )
  write(`load ${Math.min(...loads).toFixed(1)} to ${Math.max(...loads).toFixed(1)}`)
  write('delays in ms: number, p50, p90, p99, most')
  write(row('usual', come.filter(each => !isClose(each)).map(delayOf)))
  write(row('at a handing over', close.map(delayOf)))
  write(row('the slowest of each handing over', worst))
  for (const [index, at] of changes.entries()) {
    const near = come.filter(({ createdAt }) => Math.abs(createdAt - at) <= closeMs)
    const slowest = near.toSorted((one, other) => delayOf(other) - delayOf(one))[0]
    const after = slowest ? slowest.createdAt - at : 0
    write(
      `  ${index + 1}: ${slowest ? delayOf(slowest) : 'none'} ms, of an event ${after} ms after the change`,
    )
  }
  for (const each of come.filter(one => delayOf(one) > 700))
    write(
      `  slow ${delayOf(each)} ms, ${Math.min(...changes.map(at => each.createdAt - at).filter(ms => ms > -10_000))} ms after a change`,
    )
  for (const { name, createdAt } of events.filter(({ sentAt }) => sentAt === undefined))
    write(
      `  ${name} has no message; created ${Math.min(...changes.map(at => Math.abs(createdAt - at)))} ms from a change`,
    )
  const lost = events.length - come.length
  const twice = come.filter(({ messages }) => messages > 1).length
  write(`events ${events.length}, without a message ${lost}, with more than one message ${twice}`)
}
