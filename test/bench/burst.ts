import { setTimeout as sleep } from 'node:timers/promises'
import type { Arrivals, Milestone } from './arrivals.ts'
import { sideBySide } from './bench-cluster.ts'
import { quantile } from './latency.ts'
import { processors, stolenPercent } from './processor-time.ts'

export interface Burst {
  perSecond: number
  /** Milliseconds from the start of an instance's first call until its milestone was seen. */
  p50: number
  p99: number
  /** Share of the processors' time that the host gave to other machines. Undefined if the kernel does not report it. */
  stolenPercent: number | undefined
}

export interface BurstOptions {
  names: readonly string[]
  /** Makes the first call of one instance, or all its calls. */
  begin: (name: string, signal: AbortSignal) => Promise<unknown>
  arrivals: Arrivals
  milestone: Milestone
  limitMs: number
  progress: (line: string) => void
}

const progressMs = 5_000

/** Begins all of them, five at once, and waits until the last one has reached the milestone. */
export async function burst(options: BurstOptions, signal: AbortSignal): Promise<Burst> {
  const { names, begin, arrivals, milestone } = options
  const ended = new AbortController()
  const until = AbortSignal.any([signal, ended.signal])
  const before = await processors()
  const began = performance.now()
  const queue = names.values()
  const took: number[] = []
  let last = began
  const arrived: Promise<void>[] = []
  const work = async () => {
    for (const name of queue) {
      const start = performance.now()
      const seen = arrivals.at(name, milestone).then(at => {
        took.push(at - start)
        last = Math.max(last, at)
      })
      arrived.push(seen)
      await begin(name, until)
    }
  }
  const whole = async () => {
    await Promise.all(Array.from({ length: sideBySide }, work))
    await Promise.all(arrived)
  }
  try {
    await Promise.race([whole(), overdue(options, () => took.length, began, until)])
  } finally {
    ended.abort()
  }
  const seconds = (last - began) / 1_000
  return {
    perSecond: names.length / seconds,
    p50: quantile(took, 0.5),
    p99: quantile(took, 0.99),
    stolenPercent: stolenPercent(before, await processors()),
  }
}

/** Prints the progress. @throws Error after `limitMs` */
async function overdue(
  { names, milestone, limitMs, progress }: BurstOptions,
  arrived: () => number,
  began: number,
  signal: AbortSignal,
): Promise<void> {
  while (performance.now() - began < limitMs) {
    await sleep(progressMs, undefined, { signal })
    progress(`  ${arrived()} of ${names.length} ${milestone}`)
  }
  throw new Error(`only ${arrived()} of ${names.length} were ${milestone} within ${limitMs / 1_000} s`)
}

export function namesOf(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${prefix}-${String(index).padStart(5, '0')}`)
}
