import { setMaxListeners } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { availableParallelism, cpus, loadavg, totalmem } from 'node:os'
import { parseArgs } from 'node:util'
import { version } from '../../lib/version.ts'
import { creation } from './creation.ts'
import { metAim, type Result, rounded, tableOf } from './figures.ts'
import { fullLife } from './full-life.ts'
import { idleForwarder } from './idle-forwarder.ts'
import { pinBench } from './pinned.ts'
import { placements, sampleOf } from './sample.ts'
import type { Scale } from './scale.ts'

const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    json: { type: 'string' },
    only: { type: 'string' },
    placement: { type: 'string', default: 'Shared' },
    profile: { type: 'string' },
    pinned: { type: 'boolean', default: false },
  },
})

const sizes = options.quick
  ? { quiet: 20, burst: 300, full: 100, ready: 2_000 }
  : { quiet: 100, burst: 1_000, full: 1_000, ready: 10_000 }
const placement = placements.find(each => each === options.placement)
if (placement === undefined) throw new Error(`--placement is one of ${placements.join(', ')}`)
const { profile, pinned } = options
const scale: Scale = { ...sizes, profile, pinned, sample: sampleOf(placement) }
if (pinned) await pinBench()

const scenarios = { creation, life: fullLife, forwarder: idleForwarder }

const stopping = new AbortController()
// One signal bounds every call of the run.
setMaxListeners(0, stopping.signal)
process.once('SIGINT', () => stopping.abort(new Error('interrupted')))
process.once('SIGTERM', () => stopping.abort(new Error('terminated')))

const began = Date.now()
const progress = (line: string) => {
  const seconds = Math.round((Date.now() - began) / 1_000)
  process.stderr.write(`${String(seconds).padStart(4)} s  ${line}\n`)
}
const write = (text: string) => void process.stdout.write(`${text}\n`)

const machine = {
  cores: availableParallelism(),
  processor: cpus()[0]?.model ?? '',
  memoryGb: Math.round(totalmem() / 1024 ** 3),
  loadBefore: rounded(loadavg()[0] ?? 0),
}
const results: Result[] = []
for (const [name, run] of Object.entries(scenarios)) {
  if (options.only !== undefined && options.only !== name) continue
  const some = await run(scale, progress, stopping.signal)
  results.push(...some)
  for (const result of some) write(tableOf(result))
}
const report = {
  version,
  at: new Date(began).toISOString(),
  quick: options.quick,
  pinned,
  placement,
  machine,
  node: process.version,
  results: results.map(({ figures, ...rest }) => ({
    ...rest,
    figures: figures.map(figure => ({ ...figure, met: metAim(figure) })),
  })),
}
write(
  `\n${machine.cores} cores (${machine.processor}), ${machine.memoryGb} GB, load before ${machine.loadBefore}`,
)
if (options.json !== undefined) await writeFile(options.json, `${JSON.stringify(report, undefined, 2)}\n`)
