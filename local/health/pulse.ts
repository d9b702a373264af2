import type { KubernetesClient } from '../../lib/kubernetes/client/http.ts'

/** A loop that has not gone round in time. */
export interface LateLoop {
  name: string
  /** Milliseconds since it went round last. */
  silentMs: number
}

export interface FollowedLoop {
  beat(): void
  end(): void
}

/** Watches loops that never end, such as a poll of a queue. A loop that hangs shows in nothing else. */
export interface Pulse {
  /**
   * Follows a loop from now on.
   * @param limitMs the longest time that one round takes
   * @returns what the loop calls in every round, and `end` for a loop that ends in order
   */
  follow(name: string, limitMs: number): FollowedLoop
  late(): LateLoop[]
}

/** @param now milliseconds of a clock that is never set back */
export function createPulse(now: () => number = () => performance.now()): Pulse {
  const loops = new Map<symbol, { name: string; limitMs: number; at: number }>()
  return {
    follow(name, limitMs) {
      const id = Symbol(name)
      const beat = () => void loops.set(id, { name, limitMs, at: now() })
      beat()
      return { beat, end: () => void loops.delete(id) }
    },
    late: () =>
      [...loops.values()]
        .map(({ name, limitMs, at }) => ({ name, limitMs, silentMs: Math.round(now() - at) }))
        .filter(({ limitMs, silentMs }) => silentMs > limitMs)
        .map(({ name, silentMs }) => ({ name, silentMs })),
  }
}

/** Wraps a client: every answer, failure and piece of a stream is a beat. */
export function withPulse(client: KubernetesClient, { beat }: FollowedLoop): KubernetesClient {
  return {
    ...client,
    request: (...call) => client.request(...call).finally(beat),
    async stream(...call) {
      const answer = await client.stream(...call).finally(beat)
      return { ...answer, body: beating(answer.body, beat) }
    },
  }
}

async function* beating(body: AsyncIterable<Uint8Array>, beat: () => void): AsyncGenerator<Uint8Array> {
  for await (const piece of body) {
    beat()
    yield piece
  }
}
