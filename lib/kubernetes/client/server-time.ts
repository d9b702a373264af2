import type { Headers, KubernetesClient } from './http.ts'

/** The time of the API server, as far as its answers show it. Epoch milliseconds. */
export interface ServerTime {
  /** A time that the server has reached for certain. What is judged by it does not come early. */
  reached(): number
  /** The time that the server has most likely: that of this machine, unless the server's answers contradict it. */
  likely(): number
}

/** How far the server's clock is ahead of this machine's, in milliseconds: at least and at most. */
interface Offset {
  least: number
  most: number
}

/** A `Date` header leaves out the fraction of its second. */
const headerMs = 1_000

/**
 * Milliseconds after which a bound counts no more. Two clocks that are not kept in step drift apart by some
 * 50 ms in ten minutes.
 */
const boundMs = 600_000

interface Bound {
  offset: number
  at: number
}

/**
 * Wraps a client and learns the server's time from the `Date` headers of its answers. It makes no call of its own.
 *
 * Each answer says that, at a moment between its request and itself, the server's clock was within one second. Several
 * answers narrow that: only an offset that fits all of them is left.
 *
 * Guarantees: `reached` is not ahead of the server while both clocks run evenly. An answer that the server gave after a
 * whole second shows that this second was reached.
 *
 * Caveats: before the first answer both times are those of this machine. An API server in front of others that differ
 * counts as the one that answered last.
 * @param now epoch milliseconds of this machine
 */
export function withServerTime(
  client: KubernetesClient,
  now: () => number = Date.now,
): { client: KubernetesClient; time: ServerTime } {
  let least: Bound | undefined
  let most: Bound | undefined

  function learn(headers: Headers, sentAt: number): void {
    const header = Date.parse(String(headers.date ?? ''))
    if (Number.isNaN(header)) return
    const at = now()
    // This machine's clock was set back while the answer was under way.
    if (at < sentAt) return
    const seen: Offset = { least: header - at, most: header + headerMs - sentAt }
    const known = (bound: Bound | undefined) => (bound && at - bound.at < boundMs ? bound : undefined)
    const lower = known(least)
    const upper = known(most)
    const contradicts =
      (lower !== undefined && seen.most < lower.offset) || (upper !== undefined && seen.least > upper.offset)
    least =
      contradicts || lower === undefined || seen.least > lower.offset ? { offset: seen.least, at } : lower
    most = contradicts || upper === undefined || seen.most < upper.offset ? { offset: seen.most, at } : upper
  }

  return {
    client: {
      ...client,
      async request(...call) {
        const sentAt = now()
        const answer = await client.request(...call)
        learn(answer.headers, sentAt)
        return answer
      },
      async stream(...call) {
        const sentAt = now()
        const answer = await client.stream(...call)
        learn(answer.headers, sentAt)
        return answer
      },
    },
    time: {
      reached: () => now() + (least?.offset ?? 0),
      likely: () => now() + Math.max(least?.offset ?? 0, Math.min(0, most?.offset ?? 0)),
    },
  }
}
