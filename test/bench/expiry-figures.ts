import type { AuditedCall } from './audit-log.ts'
import { countCalls } from './call-counts.ts'
import type { Result } from './figures.ts'
import { quantile } from './latency.ts'

/** Milliseconds from the last end until every instance has its deletion mark. */
const markedWithinMs = 5_000

/** When each instance was marked first, in epoch milliseconds, by its name. */
export function marksOf(
  ends: ReadonlyMap<string, number>,
  calls: readonly AuditedCall[],
): Map<string, number> {
  const marks = new Map<string, number>()
  for (const { verb, resource, name, code, at } of calls)
    if (verb === 'delete' && resource === 'challengeinstances' && code < 300 && ends.has(name))
      marks.set(name, Math.min(at, marks.get(name) ?? Number.POSITIVE_INFINITY))
  return marks
}

/**
 * Computes how late deletion marks came, by the clock of the API server.
 * @param ends epoch milliseconds by the name of the instance
 * @param calls all calls from the first end on
 */
export function expiryFigures(ends: ReadonlyMap<string, number>, calls: readonly AuditedCall[]): Result {
  const marks = marksOf(ends, calls)
  const late = [...marks].map(([name, at]) => at - (ends.get(name) ?? 0))
  const lastMark = Math.max(...marks.values())
  const turns = new Map(inOrder(ends).map((name, turn) => [name, turn]))
  const away = inOrder(marks).map((name, place) => Math.abs(place - (turns.get(name) ?? 0)))
  const meanwhile = calls.filter(({ at }) => at <= lastMark)
  const torn = meanwhile.filter(({ verb, resource }) => verb === 'delete' && resource === 'deployments')
  const { total, byKind, kubernetesEvents } = countCalls(meanwhile, ends.size)
  const untilAll = lastMark - Math.max(...ends.values())
  return {
    scenario: `${ends.size} instances that end within one second`,
    figures: [
      { name: 'deletion marks', value: marks.size, unit: '', aim: { bound: 'at least', value: ends.size } },
      { name: 'mark after the end, p50', value: quantile(late, 0.5), unit: 'ms' },
      { name: 'mark after the end, p99', value: quantile(late, 0.99), unit: 'ms' },
      { name: 'earliest mark, after its end', value: Math.min(...late), unit: 'ms' },
      {
        name: 'from the last end until all are marked',
        value: untilAll,
        unit: 'ms',
        aim: { bound: 'at most', value: markedWithinMs },
      },
      { name: 'places away from its turn by the ends, p50', value: quantile(away, 0.5), unit: '' },
      { name: 'places away from its turn by the ends, p99', value: quantile(away, 0.99), unit: '' },
      { name: 'Deployments deleted before the last mark', value: torn.length, unit: '' },
      { name: 'API calls for each, until the last mark', value: total, unit: '' },
      { name: 'Kubernetes Events for each, until the last mark', value: kubernetesEvents, unit: '' },
    ],
    calls: byKind,
  }
}

function inOrder(times: ReadonlyMap<string, number>): string[] {
  return [...times].toSorted(([, a], [, b]) => a - b).map(([name]) => name)
}
