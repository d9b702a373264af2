import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { loadavg } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import type { ChallengeInstance } from '../../lib/crd/challenge-instance.ts'
import { apiVersion } from '../../lib/crd/group.ts'
import { openCluster } from '../../lib/kubernetes/open-cluster.ts'
import { recordOf } from '../../lib/reconcile/report/database-row.ts'
import { openDatabase } from '../../lib/store/database.ts'
import { openStore } from '../../lib/store/open-store.ts'
import { openBenchCluster, sideBySide } from './bench-cluster.ts'
import { bundleFunction } from './bundle.ts'
import { namesOf } from './burst.ts'
import { functionEnvironment, startFront } from './lambda-front.ts'
import { processorShare } from './lambda-share.ts'
import { quantile } from './latency.ts'
import { startDatabase } from './operator.ts'
import { operated, sampleOf, templateName } from './sample.ts'
import { type Handled, openSandbox } from './sandbox.ts'
import { createServingObjects } from './serving-objects.ts'
import { beginWindow } from './windows.ts'

/**
 * Measures by the number of Ready instances with nothing to do what an operator at rest does: sweeps, those that compare every
 * child, which come every ten minutes, and a new window of the forwarder until it leads. The bundled functions have the share
 * of a processor that Lambda gives for their memory (root, control groups version 1), a real API server, and a database with a
 * row for each instance.
 */
const { values } = parseArgs({
  options: {
    instances: { type: 'string', default: '0,500,5000' },
    memory: { type: 'string', default: '512' },
    'window-memory': { type: 'string', default: '256' },
    'window-runs': { type: 'string', default: '2' },
    runs: { type: 'string', default: '10' },
  },
})
const sizes = values.instances.split(',').map(Number)
const runs = Number(values.runs)
const memory = Number(values.memory)
const write = (text: string) => void process.stdout.write(`${text}\n`)
const signal = AbortSignal.timeout(1_800_000)

const sample = sampleOf('Shared')
const stack = new AsyncDisposableStack()
try {
  const cluster = await openBenchCluster({ full: false, pinned: false, sample }, signal)
  stack.defer(() => cluster.stack.disposeAsync())
  const most = Math.max(...sizes)
  const databaseUrl = await startDatabase(cluster, { teams: most + 1, challenges: [templateName] }, signal)
  const front = await startFront(cluster.plane)
  stack.defer(() => front.stop())
  const folder = await mkdtemp(join(import.meta.dirname, '.bundle-'))
  stack.defer(() => rm(folder, { recursive: true, force: true }))
  const bundled = await bundleFunction('sweep', folder)
  const windowBundle = await bundleFunction('watch-forwarder', folder)
  // Every sweep is the last of its minute, so that it sends no next one.
  const env = {
    ...functionEnvironment(cluster),
    ...sample.environment,
    ...front.variables,
    DATABASE_URL: databaseUrl,
    // No forwarder runs beside the sweeps, and none is to be begun.
    EVENT_BUS_NAME: '',
    OPERATOR_INTERVAL: '60',
    OPERATOR_RESYNC_MINUTES: '10',
  }
  const settle = await createServingObjects(cluster.bare, sample, signal)
  let laid = 0
  write('instances  kind       runs  p50 ms  most ms  processor ms  memory MB  load')
  for (const size of sizes) {
    const names = namesOf('ready', size).slice(laid).entries()
    const offset = laid
    const lay = async () => {
      for (const [index, name] of names) await settle(name, offset + index + 1)
    }
    await Promise.all(Array.from({ length: sideBySide }, lay))
    laid = size
    await writeRows(databaseUrl)
    const share = await processorShare('sweep', memory)
    const sandbox = openSandbox(bundled, { env, share })
    // The first one loads and connects.
    await sandbox.invoke({ time: '2026-01-01T00:01:00Z' })
    for (const [kind, time, count] of [
      ['sweep', '2026-01-01T00:01:00Z', runs],
      ['resync', '2026-01-01T00:10:00Z', Math.ceil(runs / 3)],
    ] as const) {
      const handled: Handled[] = []
      for (let run = 0; run < count; run += 1) handled.push(await sandbox.invoke({ time }))
      write(rowOf(String(size), kind, handled))
    }
    const failures = sandbox.lines.filter(({ level }) => level === 'ERROR' || level === 'WARN')
    for (const { message, error } of failures.slice(0, 3))
      write(`  ${message} ${JSON.stringify(error ?? '')}`)
    await sandbox.stop()
    await share.remove()
    for (let run = 0; run < Number(values['window-runs']); run += 1) write(await newWindow())
  }

  /** Begins a window where no Lease is held, and lets it run for ten seconds more. */
  async function newWindow(): Promise<string> {
    const leases = `/apis/coordination.k8s.io/v1/namespaces/${operated}/leases`
    await cluster.bare.call('DELETE', leases, undefined, signal)
    const share = await processorShare('window', Number(values['window-memory']))
    const files = [join(import.meta.dirname, 'window-process.ts'), windowBundle]
    const window = beginWindow({ files, remainingMs: 900_000, env: { ...env, MALLOC_ARENA_MAX: '1' }, share })
    await window.said('whole table judged')
    const ledMs = Date.now() - window.begunAt
    await sleep(10_000)
    const status = await readFile(`/proc/${window.pid}/status`, 'utf8')
    const megabytes = (name: string) => Math.round(Number(status.match(`${name}:\\s+(\\d+)`)?.[1]) / 1_024)
    const throttled = Math.round(await share.throttledMs())
    await window.kill()
    await sleep(200)
    await share.remove()
    const memory = `${megabytes('VmHWM')} MB at most, ${megabytes('VmRSS')} MB at last`
    const load = (loadavg()[0] ?? 0).toFixed(1)
    return `  new window of ${values['window-memory']} MB: leads after ${ledMs} ms (throttled for ${throttled} ms), ${memory}, load ${load}`
  }

  /** Writes the row of each instance that has none, as its passes would have. */
  async function writeRows(url: string): Promise<void> {
    const database = openDatabase({ url, max: sideBySide, applicationName: 'bench' })
    try {
      const store = openStore(database)
      const reached = openCluster(cluster.client)
      const uid = await reached.uid(signal)
      const kind = { apiVersion, kind: 'ChallengeInstance' }
      for await (const page of reached.list<ChallengeInstance>(kind, { namespace: operated }, signal))
        for (const instance of page)
          await store.record(
            { ...recordOf({ instance }, instance.status ?? {}, undefined), cluster: uid },
            signal,
          )
    } finally {
      await database.destroy()
    }
  }
} finally {
  await stack.disposeAsync()
}

function rowOf(size: string, kind: string, handled: readonly Handled[]): string {
  const failed = handled.find(({ failure }) => failure !== undefined)
  if (failed) throw new Error(failed.failure)
  const times = handled.map(({ milliseconds }) => Math.round(milliseconds))
  const shown = [
    String(handled.length).padEnd(4),
    String(quantile(times, 0.5)).padEnd(6),
    String(quantile(times, 1)).padEnd(7),
    String(
      Math.round(
        quantile(
          handled.map(each => each.processorMs),
          0.5,
        ),
      ),
    ).padEnd(12),
    String(
      Math.round(
        quantile(
          handled.map(each => each.memoryMb),
          1,
        ),
      ),
    ).padEnd(9),
    (loadavg()[0] ?? 0).toFixed(1),
  ]
  return [size.padEnd(9), kind.padEnd(9), ...shown].join('  ')
}
