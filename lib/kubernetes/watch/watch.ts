import { abortable, sleep } from '../../abort.ts'
import type { KubernetesObject, Stored } from '../../crd/objects.ts'
import type { Log } from '../../telemetry/log.ts'
import type { KubernetesClient } from '../client/http.ts'
import type { WatchHandlers, WatchTarget } from '../cluster.ts'
import { fetchPage, newestVersion } from '../list-pages.ts'
import { thrownFailure } from './failure.ts'
import { type Effect, type Input, initialState, type Move, step } from './step.ts'
import { streamInputs, type WatchTimes, watchTimes } from './stream.ts'

export interface WatchOptions {
  log: Log
  /** Differences from the defaults. Tests shorten the times. */
  times?: Partial<WatchTimes>
  /** Epoch milliseconds. */
  now?: () => number
  random?: () => number
}

/**
 * Reports every object of a collection to the handlers, then every change, until the signal aborts.
 *
 * Flow: `step` decides what to do next: open a stream, read a page, compare versions, or wait. `streamInputs`,
 * `pageInputs`, `compareInputs` and `waitInputs` do it and yield inputs, which are fed to `step` again. A list is streamed where the server can do that,
 * and read in pages otherwise.
 *
 * Guarantees: no object and no deletion is left out. A stream that breaks off goes on from the last version. If that
 * version has expired, or if the server is behind it because etcd was restored, the collection is listed again, and the
 * difference to the known objects is reported. The end of each list is reported. The next bytes are not read before
 * `handlers.drained` resolves.
 *
 * Caveats: an object may be reported more than once without a change. After a repeated list, versions between the two
 * lists are not reported. Of an object that was deleted meanwhile, only namespace, name and uid are reported.
 *
 * Errors: failures of the server and of the network are logged and tried again without an end, after a growing delay.
 * Rejects only with what a handler threw.
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
  const logFields = { kind: target.kind, namespace: target.namespace ?? 'all' }
  let state = initialState()

  const feed = (input: Input): Move | undefined => {
    const [next, effects] = step(state, input, { now: now(), random: random() })
    state = next
    return perform(effects, handlers, ({ level, message, fields }) =>
      log[level](message, { ...logFields, ...fields }),
    )
  }
  const inputsOf = (move: Move): AsyncGenerator<Input[]> => {
    if (move.do === 'open') return streamInputs(client, target, move, times, signal)
    if (move.do === 'compare') return compareInputs(client, target, signal)
    return move.do === 'page' ? pageInputs(client, target, move.next, signal) : waitInputs(move.ms, signal)
  }

  let move = feed({ type: 'begin' })
  while (move !== undefined && !signal.aborted) {
    const batches: AsyncGenerator<Input[]> = inputsOf(move)
    move = undefined
    for await (const inputs of batches) {
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

/** Calls the handlers and the log. @returns the move, if there is one */
function perform<T extends KubernetesObject>(
  effects: Effect[],
  handlers: WatchHandlers<T>,
  writeLine: (line: Extract<Effect, { do: 'log' }>) => void,
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
        handlers.onListed(effect.list)
        break
      case 'bookmark':
        handlers.onBookmark?.()
        break
      case 'log':
        writeLine(effect)
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
    yield [{ type: 'page', ...(await fetchPage(client, target, { next }, signal)) }]
  } catch (thrown) {
    if (!signal.aborted) yield [{ type: 'failed', failure: thrownFailure(thrown) }]
  }
}

async function* compareInputs(
  client: KubernetesClient,
  target: WatchTarget,
  signal: AbortSignal,
): AsyncGenerator<Input[]> {
  try {
    yield [{ type: 'compared', resourceVersion: await newestVersion(client, target, signal) }]
  } catch (thrown) {
    if (!signal.aborted) yield [{ type: 'failed', failure: thrownFailure(thrown) }]
  }
}

async function* waitInputs(ms: number, signal: AbortSignal): AsyncGenerator<Input[]> {
  await sleep(ms, signal)
  if (!signal.aborted) yield [{ type: 'waited' }]
}

/** Waits until the handlers may be fed further, or the signal aborts. */
async function drained<T extends KubernetesObject>(
  handlers: WatchHandlers<T>,
  signal: AbortSignal,
): Promise<void> {
  if (!handlers.drained || signal.aborted) return
  await abortable(handlers.drained(), signal).catch(thrown => {
    if (!signal.aborted) throw thrown
  })
}
