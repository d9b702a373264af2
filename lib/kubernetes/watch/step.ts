import type { GoneObject, KubernetesObject, Stored } from '../../crd/objects.ts'
import { missingStoredField } from '../../crd/stored-fields.ts'
import { backoffMs, healthyMs } from './backoff.ts'
import { type Failure, streamedFailure } from './failure.ts'
import { forget, type Known, keyOf, remember, vanished } from './known.ts'

/**
 * How a watch goes on, without a socket. `streaming`: objects come as events until a bookmark ends the list. `paging`:
 * the same by pages. `watching`: the list is told, changes come. `waiting`: after a failure.
 */
export interface WatchState {
  phase: 'streaming' | 'paging' | 'watching' | 'waiting'
  /** Belongs to the state that holds it: `step` changes it in place, since a copy of 10,000 keys an event is too dear. */
  known: Known
  /** Keys told by the list under way; what is known and not among them at its end is gone. */
  listed: Set<string>
  /** Where to go on: the newest version told. Undefined: with a list. */
  version: string | undefined
  /** The server cannot stream a list. */
  paged: boolean
  /** In a row, since the last two healthy minutes. */
  failures: number
  /** What the last of them was. */
  failedBy: Failure['kind'] | undefined
  /** Since when the present stream is open, in epoch milliseconds. */
  openedAt: number | undefined
}

/** A line of the stream. */
export interface WatchEvent {
  type: string
  object: KubernetesObject
}

export type Input =
  | { type: 'begin' }
  | { type: 'opened' }
  | { type: 'event'; event: WatchEvent }
  | { type: 'page'; items: Stored<KubernetesObject>[]; resourceVersion: string; next: string | undefined }
  /** A streamed list did not end in time. */
  | { type: 'late' }
  /** The server ended the stream in order. */
  | { type: 'ended' }
  | { type: 'failed'; failure: Failure }
  | { type: 'waited' }

/** What the handlers are told, or the log. */
export type Tell =
  | { do: 'object'; object: Stored<KubernetesObject> }
  | { do: 'gone'; object: GoneObject }
  | { do: 'listed' }
  | {
      do: 'say'
      level: 'debug' | 'info' | 'warn' | 'error'
      message: string
      fields: Record<string, unknown>
    }

/** What the pump does next; whatever it did before ends. At most one, and the last of the effects. */
export type Move =
  /** `version` undefined: with a list. `timeoutSeconds`: when the server ends it. */
  | { do: 'open'; version: string | undefined; timeoutSeconds: number }
  | { do: 'page'; next: string | undefined }
  | { do: 'wait'; ms: number }

export type Effect = Tell | Move

/** The world at the time of an input. `now` in epoch milliseconds, `random` in [0, 1). */
export interface Moment {
  now: number
  random: number
}

export function initialState(): WatchState {
  return {
    phase: 'waiting',
    known: new Map(),
    listed: new Set(),
    version: undefined,
    paged: false,
    failures: 0,
    failedBy: undefined,
    openedAt: undefined,
  }
}

/** Balancers and NAT cut at 350 s; spread, so that all watches do not come back at once. */
const timeoutFrom = 240
const timeoutTo = 295

/** A stream that ends in order sooner than this will do so again: not a reason to hurry. */
const shortMs = 5_000

/** Consumes `state`: use the returned one. */
export function step(state: WatchState, input: Input, moment: Moment): [WatchState, Effect[]] {
  switch (input.type) {
    case 'begin':
    case 'waited':
      return state.version === undefined ? list(state, moment) : resume(state, moment)
    case 'opened':
      return [{ ...state, openedAt: moment.now }, []]
    case 'event':
      return onEvent(state, input.event, moment)
    case 'page':
      return onPage(state, input, moment)
    case 'late':
      // It did after all, in the moment before it was cut.
      if (state.phase !== 'streaming') return resume(state, moment)
      return page(state, [say('info', 'streamed list did not end in time, it is read in pages')])
    case 'ended':
      if (moment.now - (state.openedAt ?? moment.now) < shortMs || state.version === undefined)
        return fail(
          state,
          { kind: 'unavailable', message: 'the stream ended as soon as it had begun' },
          moment,
        )
      return resume(healed(state, moment), moment)
    case 'failed':
      return fail(state, input.failure, moment)
  }
}

function onEvent(state: WatchState, event: WatchEvent, moment: Moment): [WatchState, Effect[]] {
  if (event.type === 'ERROR') return fail(state, streamedFailure(event.object), moment)
  const metadata = event.object?.metadata
  const version = metadata?.resourceVersion
  if (metadata === undefined || !isVersion(version)) return garbled(state, event.type, moment)
  if (event.type === 'BOOKMARK') {
    const ends = metadata.annotations?.['k8s.io/initial-events-end'] === 'true'
    if (state.phase === 'streaming' && ends) return listEnded(state, version)
    return [advanced(state, version), []]
  }
  if (missingStoredField(metadata)) return garbled(state, event.type, moment)
  const object = event.object as Stored<KubernetesObject>
  if (event.type === 'DELETED') {
    forget(state.known, object)
    state.listed.delete(keyOf(object.metadata))
    return [advanced(state, version), [{ do: 'gone', object }]]
  }
  if (event.type === 'ADDED' || event.type === 'MODIFIED')
    return [advanced(state, version), told(state, object)]
  return garbled(state, event.type, moment)
}

function onPage(
  state: WatchState,
  { items, resourceVersion, next }: Extract<Input, { type: 'page' }>,
  moment: Moment,
): [WatchState, Effect[]] {
  if (!isVersion(resourceVersion)) return garbled(state, 'list', moment)
  const tells = items.flatMap(item => told(state, item))
  if (next !== undefined) return [state, [...tells, { do: 'page', next }]]
  const [listed, ends] = listEnded(state, resourceVersion)
  const [resumed, moves] = resume(listed, moment)
  return [resumed, [...tells, ...ends, ...moves]]
}

function told(state: WatchState, object: Stored<KubernetesObject>): Tell[] {
  const key = keyOf(object.metadata)
  if (state.phase !== 'watching') state.listed.add(key)
  const predecessor = remember(state.known, object)
  const tell: Tell = { do: 'object', object }
  if (predecessor === undefined) return [tell]
  return [{ do: 'gone', object: vanished(key, predecessor) }, tell]
}

/** What was known and is not in the list went while nobody looked. */
function listEnded(state: WatchState, version: string): [WatchState, Tell[]] {
  const gone: Tell[] = []
  for (const [key, uid] of state.known) {
    if (state.listed.has(key)) continue
    state.known.delete(key)
    gone.push({ do: 'gone', object: vanished(key, uid) })
  }
  return [{ ...state, phase: 'watching', listed: new Set(), version }, [...gone, { do: 'listed' }]]
}

function list(state: WatchState, moment: Moment): [WatchState, Effect[]] {
  if (state.paged) return page(state, [])
  const next: WatchState = { ...state, phase: 'streaming', listed: new Set(), version: undefined }
  return [next, [{ do: 'open', version: undefined, timeoutSeconds: timeout(moment) }]]
}

function page(state: WatchState, says: Tell[]): [WatchState, Effect[]] {
  const next: WatchState = {
    ...state,
    phase: 'paging',
    listed: new Set(),
    version: undefined,
    openedAt: undefined,
  }
  return [next, [...says, { do: 'page', next: undefined }]]
}

function resume(state: WatchState, moment: Moment): [WatchState, Effect[]] {
  const next: WatchState = { ...state, phase: 'watching', openedAt: undefined }
  return [next, [{ do: 'open', version: state.version, timeoutSeconds: timeout(moment) }]]
}

function fail(state: WatchState, failure: Failure, moment: Moment): [WatchState, Effect[]] {
  const { kind, message, retryAfterMs } = failure
  if (kind === 'unsupported' && state.phase === 'streaming')
    return page({ ...state, paged: true }, [
      say('info', 'server does not stream lists, they are read in pages', { answer: message }),
    ])
  const { failures: before, failedBy } = healed(state, moment)
  const failures = before + 1
  // Time has been lost to the silence, and an expired version is nobody's trouble: a server that was restarted answers
  // with it, after failures of its own that have been waited for already. Only one after the other must not hurry.
  const expiredAnew = kind === 'expired' && state.phase === 'watching' && failedBy !== 'expired'
  const hurry = expiredAnew || (before === 0 && kind === 'silent')
  const ms = hurry ? (retryAfterMs ?? 0) : backoffMs(failures, moment.random, retryAfterMs)
  // A watch that the server rejects as such cannot be mended by sending it again.
  const listAgain = kind === 'expired' || kind === 'garbled' || kind === 'unsupported'
  const next: WatchState = {
    ...state,
    phase: 'waiting',
    listed: new Set(),
    version: listAgain || state.phase !== 'watching' ? undefined : state.version,
    failures,
    failedBy: kind,
    openedAt: undefined,
  }
  const fields = { kind, answer: message, failures, waitMs: ms }
  return [next, [say(levelOf(kind, failures), messageByFailure[kind], fields), { do: 'wait', ms }]]
}

function garbled(state: WatchState, type: string, moment: Moment): [WatchState, Effect[]] {
  const message = `an event (${String(type).slice(0, 20)}) that cannot be read`
  return fail(state, { kind: 'garbled', message }, moment)
}

const messageByFailure: Record<Failure['kind'], string> = {
  expired: 'watch is too far behind, listing again',
  unsupported: 'watch was rejected, listing again',
  unavailable: 'watch was interrupted',
  silent: 'watch has gone silent, connecting again',
  refused: 'watch is not allowed; check the role and the CRDs',
  garbled: 'watch sent something unreadable, listing again',
}

function levelOf(kind: Failure['kind'], failures: number): 'info' | 'warn' | 'error' {
  if (kind === 'refused' || kind === 'garbled') return 'error'
  return failures > 1 ? 'warn' : 'info'
}

function say(level: 'info' | 'warn' | 'error', message: string, fields: Record<string, unknown> = {}): Tell {
  return { do: 'say', level, message, fields }
}

function healed(state: WatchState, { now }: Moment): WatchState {
  const healthy = state.openedAt !== undefined && now - state.openedAt >= healthyMs
  return healthy ? { ...state, failures: 0, failedBy: undefined } : state
}

/** While a list is streamed, its objects' versions are no place to go on from. */
function advanced(state: WatchState, version: string): WatchState {
  if (state.phase !== 'watching' || state.version === undefined) return state
  return BigInt(version) > BigInt(state.version) ? { ...state, version } : state
}

function isVersion(version: string | undefined): version is string {
  return version !== undefined && /^\d+$/.test(version)
}

function timeout({ random }: Moment): number {
  return timeoutFrom + Math.floor(random * (timeoutTo - timeoutFrom + 1))
}
