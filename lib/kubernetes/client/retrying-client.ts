import { sleep } from '../../abort.ts'
import { OperatorError } from '../../errors.ts'
import { retryAfterMs } from '../errors/api-status.ts'
import type { ApiResponse, KubernetesClient } from './http.ts'
import { connectionDied, isTimeout } from './transport-error.ts'

export interface RetryTimes {
  /** The first pause. Each further one is twice as long, up to `longestMs`. */
  firstMs: number
  longestMs: number
  /** The time after which the last answer, or the last error, is returned as it is. */
  limitMs: number
}

/** An API server that has just started refuses calls for up to 5 s; one that restarts is away for some 10 s. */
const defaultTimes: RetryTimes = { firstMs: 250, longestMs: 4_000, limitMs: 30_000 }

/** 429: too many calls. 503: the API server, or a part that it asks, is not ready. */
const passing = new Set([429, 503])

/**
 * Wraps a client for the commands of a user, since no queue repeats their calls. A call that is refused with 429 or 503,
 * that has no answer within its limit, or whose connection breaks, is repeated with growing pauses. A call to an address
 * where nothing listens fails at once.
 */
export function createRetryingClient(
  client: KubernetesClient,
  times: RetryTimes = defaultTimes,
): KubernetesClient {
  const { firstMs, longestMs, limitMs } = times
  return {
    ...client,
    async request(method, path, request, signal) {
      const end = Date.now() + limitMs
      for (let pauseMs = firstMs; ; pauseMs = Math.min(pauseMs * 2, longestMs)) {
        const last = Date.now() + pauseMs >= end
        const result = await client.request(method, path, request, signal).catch((thrown: unknown) => {
          if (last || signal.aborted || !broken(thrown)) throw thrown
          return undefined
        })
        if (result !== undefined && (last || !passing.has(result.status))) return result
        await sleep(Math.max(pauseMs, askedMs(result, longestMs)), signal)
        signal.throwIfAborted()
      }
    },
  }
}

/** The pause that the server asked for, but not longer than `longestMs`. */
function askedMs(response: ApiResponse | undefined, longestMs: number): number {
  const asked = response === undefined ? undefined : retryAfterMs(response, Date.now())
  return Math.min(asked ?? 0, longestMs)
}

function broken(thrown: unknown): boolean {
  return thrown instanceof OperatorError && (connectionDied(thrown.cause) || isTimeout(thrown.cause))
}
