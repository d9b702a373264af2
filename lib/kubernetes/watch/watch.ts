import { abortable, sleep } from '../../abort.ts'
import type { KubernetesObject, Stored } from '../../crd/objects.ts'
import type { Log } from '../../telemetry/log.ts'
import type { KubernetesClient } from '../client/http.ts'
import type { WatchHandlers, WatchTarget } from '../cluster.ts'
import { fetchPage } from '../list-pages.ts'
import { thrownFailure } from './failure.ts'
import { type Effect, type Input, initialState, type Move, step } from './step.ts'
import { streamInputs, type WatchTimes, watchTimes } from './stream.ts'

export interface WatchOptions {
  log: Log
  /** Only what differs from the defaults. */
  times?: Partial<WatchTimes>
  /** Epoch milliseconds. */
  now?: () => number
  random?: () => number
}

/**
 * Tells the handlers all there is, then every change, until the signal aborts. Nothing is left out: what changed while
 * the connection was down is told after it, if need be as the difference of two lists. Some things are told twice.
 * Resolves when the signal aborts; rejects only with what a handler threw.
 */
export async function watch<T extends KubernetesObject>(
  client: KubernetesClient,
  target: WatchTarget,
  handlers: WatchHandlers<T>,
  options: WatchOptions,
  signal: AbortSignal,
): Promise<void> {
  const { log, now = Date.now, random = Math.random } = options
  const times = { ...watchTimes, ...options.times }
  const about = { kind: target.kind, namespace: target.namespace ?? 'all' }
  let state = initialState()

  const feed = (input: Input): Move | undefined => {
    const [next, effects] = step(state, input, { now: now(), random: random() })
    state = next
    return perform(effects, handlers, (level, message, fields) =>
      log[level](message, { ...about, ...fields }),
    )
  }
  const inputsOf = (move: Move): AsyncGenerator<Input[]> => {
    if (move.do === 'open') return streamInputs(client, target, move, times, signal)
    return move.do === 'page' ? pageInputs(client, target, move.next, signal) : waitInputs(move.ms, signal)
  }

  let move = feed({ type: 'begin' })
  while (move !== undefined && !signal.aborted) {
    const from: AsyncGenerator<Input[]> = inputsOf(move)
    move = undefined
    for await (const inputs of from) {
      for (const input of inputs) {
        move = feed(input)
        if (move) break
      }
      await drained(handlers, signal)
      // Leaving the loop ends the connection.
      if (move || signal.aborted) break
    }
  }
}

function perform<T extends KubernetesObject>(
  effects: Effect[],
  handlers: WatchHandlers<T>,
  say: (level: 'debug' | 'info' | 'warn' | 'error', message: string, fields: Record<string, unknown>) => void,
): Move | undefined {
  for (const effect of effects)
    switch (effect.do) {
      case 'object':
        handlers.onObject(effect.object as Stored<T>)
        break
      case 'gone':
        handlers.onGone(effect.object)
        break
      case 'listed':
        handlers.onListed()
        break
      case 'say':
        say(effect.level, effect.message, effect.fields)
        break
      default:
        return effect
    }
  return undefined
}

async function* pageInputs(
  client: KubernetesClient,
  target: WatchTarget,
  next: string | undefined,
  signal: AbortSignal,
): AsyncGenerator<Input[]> {
  try {
    yield [{ type: 'page', ...(await fetchPage(client, target, next, signal)) }]
  } catch (thrown) {
    if (!signal.aborted) yield [{ type: 'failed', failure: thrownFailure(thrown) }]
  }
}

async function* waitInputs(ms: number, signal: AbortSignal): AsyncGenerator<Input[]> {
  await sleep(ms, signal)
  if (!signal.aborted) yield [{ type: 'waited' }]
}

async function drained<T extends KubernetesObject>(
  handlers: WatchHandlers<T>,
  signal: AbortSignal,
): Promise<void> {
  if (!handlers.drained || signal.aborted) return
  await abortable(handlers.drained(), signal).catch(thrown => {
    if (!signal.aborted) throw thrown
  })
}
