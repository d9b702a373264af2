import type { GoneObject, KubernetesObject, Stored } from '../../crd/objects.ts'
import { missingStoredField } from '../../crd/stored-fields.ts'
import type { LogFields } from '../../telemetry/log-fields.ts'
import type { EndedList } from '../cluster.ts'
import { backoffMs, healthyMs } from './backoff.ts'
import { type Failure, streamedFailure } from './failure.ts'
import { forget, type Known, keyOf, remember, vanished } from './known.ts'

/** The state of a watch, without a socket. */
export interface WatchState {
  /**
   * `streaming`: objects come as events until a bookmark ends the list. `paging`: objects come in pages. `watching`: the
   * list has ended, and changes come. `waiting`: a pause after a failure.
   */
  phase: 'streaming' | 'paging' | 'watching' | 'waiting'
  /** Changed in place by `step`, since a copy of 10,000 keys for each event would be too expensive. */
  known: Known
  /** Keys of the objects in the list under way. An object that is known and not among them at its end is gone. */
  listed: Set<string>
  /** The newest version up to which every change was reported; undefined before the end of the first list. */
  seenUpTo: string | undefined
  /** Objects of the list under way that have changed since `seenUpTo`. */
  foundByList: number
  /** The newest version that was reported, from which the watch goes on. Undefined: the watch goes on with a list. */
  version: string | undefined
  /** The server cannot stream a list, so lists are read in pages. */
  paged: boolean
  /** Failures in a row, since a stream was open for two minutes. */
  failures: number
  /** The kind of the last of these failures. */
  failedBy: Failure['kind'] | undefined
  /** When the present stream was opened, in epoch milliseconds. */
  openedAt: number | undefined
}

/** A line of the stream. */
export interface WatchEvent {
  type: string
  object: KubernetesObject
}

export type Input =
  | { type: 'begin' }
  /** The server answered 200. */
  | { type: 'opened' }
  | { type: 'event'; event: WatchEvent }
  /** `next`: the token of the next page; undefined on the last one. */
  | { type: 'page'; items: Stored<KubernetesObject>[]; resourceVersion: string; next: string | undefined }
  /** A streamed list did not end in time. */
  | { type: 'late' }
  /** The server ended the stream in order. */
  | { type: 'ended' }
  | { type: 'failed'; failure: Failure }
  | { type: 'waited' }
  /** The server's answer to `compare`: its newest version. */
  | { type: 'compared'; resourceVersion: string }

/** A call of a handler, or a line of the log. */
export type Notice =
  | { do: 'object'; object: Stored<KubernetesObject> }
  | { do: 'gone'; object: GoneObject }
  | { do: 'listed'; list: EndedList }
  | { do: 'bookmark' }
  | { do: 'log'; level: 'info' | 'warn' | 'error'; message: string; fields: LogFields }

/** The next connection, page or pause. At most one, and the last of the effects. It ends the one before. */
export type Move =
  /** `version` undefined: with a list. `timeoutSeconds`: when the server ends the stream. */
  | { do: 'open'; version: string | undefined; timeoutSeconds: number }
  /** `next` undefined: the first page. */
  | { do: 'page'; next: string | undefined }
  | { do: 'wait'; ms: number }
  /** Ask for the server's newest version. */
  | { do: 'compare' }

export type Effect = Notice | Move

/** The time of an input and a random number. `now` in epoch milliseconds, `random` in [0, 1). */
export interface Moment {
  now: number
  random: number
}

type Stepped = [WatchState, Effect[]]

export function initialState(): WatchState {
  return {
    phase: 'waiting',
    known: new Map(),
    listed: new Set(),
    seenUpTo: undefined,
    foundByList: 0,
    version: undefined,
    paged: false,
    failures: 0,
    failedBy: undefined,
    openedAt: undefined,
  }
}

/** Seconds. Load balancers and NAT cut a connection at 350 s. The range spreads the reconnects of all watches. */
const timeoutFrom = 240
const timeoutTo = 295

/** Milliseconds. A stream that the server ends sooner would end as soon the next time, so it counts as a failure. */
const shortMs = 5_000

/**
 * One transition of a watch, without a clock or a socket. Consumes `state`: use the returned one.
 *
 *     begin              → open with a list
 *     waited             → open with a list, or compare the last version with the server's
 *     compared           → open from the last version, or with a list if the server has gone back
 *     event, page        → calls of the handlers; the end of a list makes what is not in it gone
 *     late               → read the list in pages
 *     ended              → open again from the last version
 *     failed             → wait, then go on as the kind of the failure says (`FailureKind`)
 */
export function step(state: WatchState, input: Input, moment: Moment): Stepped {
  switch (input.type) {
    case 'begin':
    case 'waited':
      return state.version === undefined ? list(state, moment) : compare(state)
    case 'compared':
      return onCompared(state, input.resourceVersion, moment)
    case 'opened':
      return [{ ...state, openedAt: moment.now }, []]
    case 'event':
      return onEvent(state, input.event, moment)
    case 'page':
      return onPage(state, input, moment)
    case 'late':
      // The list ended in the moment before the stream was cut.
      if (state.phase !== 'streaming') return resume(state, moment)
      return page(state, [log('info', 'streamed list did not end in time, it is read in pages')])
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

function onEvent(state: WatchState, event: WatchEvent, moment: Moment): Stepped {
  if (event.type === 'ERROR') return fail(state, streamedFailure(event.object), moment)
  const metadata = event.object?.metadata
  const version = metadata?.resourceVersion
  if (metadata === undefined || !isVersion(version)) return garbled(state, event.type, moment)
  if (event.type === 'BOOKMARK') {
    const ends = metadata.annotations?.['k8s.io/initial-events-end'] === 'true'
    if (state.phase === 'streaming' && ends) return listEnded(state, version)
    return [advanced(state, version), [{ do: 'bookmark' }]]
  }
  if (missingStoredField(metadata)) return garbled(state, event.type, moment)
  const object = event.object as Stored<KubernetesObject>
  if (event.type === 'DELETED') {
    forget(state.known, object)
    state.listed.delete(keyOf(object.metadata))
    return [advanced(state, version), [{ do: 'gone', object }]]
  }
  if (event.type === 'ADDED' || event.type === 'MODIFIED')
    return [advanced(state, version), objectSeen(state, object)]
  return garbled(state, event.type, moment)
}

function onPage(
  state: WatchState,
  { items, resourceVersion, next }: Extract<Input, { type: 'page' }>,
  moment: Moment,
): Stepped {
  if (!isVersion(resourceVersion)) return garbled(state, 'list', moment)
  const notices = items.flatMap(item => objectSeen(state, item))
  if (next !== undefined) return [state, [...notices, { do: 'page', next }]]
  const [listed, ends] = listEnded(state, resourceVersion)
  const [resumed, moves] = resume(listed, moment)
  return [resumed, [...notices, ...ends, ...moves]]
}

function objectSeen(state: WatchState, object: Stored<KubernetesObject>): Notice[] {
  const key = keyOf(object.metadata)
  if (state.phase !== 'watching') {
    state.listed.add(key)
    if (isUnseen(state, object.metadata.resourceVersion)) state.foundByList += 1
  }
  const predecessor = remember(state.known, object)
  const notice: Notice = { do: 'object', object }
  if (predecessor === undefined) return [notice]
  return [{ do: 'gone', object: vanished(key, predecessor) }, notice]
}

/** The list has ended. An object that is known and not in the list was deleted while no stream was open. */
function listEnded(state: WatchState, version: string): [WatchState, Notice[]] {
  const gone: Notice[] = []
  for (const [key, uid] of state.known) {
    if (state.listed.has(key)) continue
    state.known.delete(key)
    gone.push({ do: 'gone', object: vanished(key, uid) })
  }
  const repeated = state.seenUpTo !== undefined
  const found = repeated ? state.foundByList + gone.length : 0
  return [
    { ...state, phase: 'watching', listed: new Set(), seenUpTo: version, foundByList: 0, version },
    [...gone, { do: 'listed', list: { repeated, found } }],
  ]
}

function list(state: WatchState, moment: Moment): Stepped {
  if (state.paged) return page(state, [])
  const next: WatchState = {
    ...state,
    phase: 'streaming',
    listed: new Set(),
    foundByList: 0,
    version: undefined,
  }
  return [next, [{ do: 'open', version: undefined, timeoutSeconds: timeout(moment) }]]
}

function page(state: WatchState, notices: Notice[]): Stepped {
  const next: WatchState = {
    ...state,
    phase: 'paging',
    listed: new Set(),
    foundByList: 0,
    version: undefined,
    openedAt: undefined,
  }
  return [next, [...notices, { do: 'page', next: undefined }]]
}

/** A failure of the comparison loses no version, so the phase is that of a watch. */
function compare(state: WatchState): Stepped {
  return [{ ...state, phase: 'watching', openedAt: undefined }, [{ do: 'compare' }]]
}

/**
 * After a restore of etcd the versions of the server begin again at an older one. A watch that goes on from a newer version
 * is accepted, and told nothing until the server has reached that version once more.
 */
function onCompared(state: WatchState, current: string, moment: Moment): Stepped {
  if (!isVersion(current)) return garbled(state, 'version', moment)
  if (state.version === undefined || BigInt(current) >= BigInt(state.version)) return resume(state, moment)
  const fields = { resourceVersion: state.version, answer: current }
  const [next, moves] = list({ ...state, version: undefined }, moment)
  return [
    next,
    [
      log('warn', 'server is behind what it has told, as after a restore of etcd, listing again', fields),
      ...moves,
    ],
  ]
}

function resume(state: WatchState, moment: Moment): Stepped {
  const next: WatchState = { ...state, phase: 'watching', openedAt: undefined }
  return [next, [{ do: 'open', version: state.version, timeoutSeconds: timeout(moment) }]]
}

function fail(state: WatchState, failure: Failure, moment: Moment): Stepped {
  const { kind, message, retryAfterMs } = failure
  if (kind === 'unsupported' && state.phase === 'streaming')
    return page({ ...state, paged: true }, [
      log('info', 'server does not stream lists, they are read in pages', { answer: message }),
    ])
  const { failures: before, failedBy } = healed(state, moment)
  const failures = before + 1
  // A silence has cost time already. A restarted server answers that a version has expired, after failures that were
  // waited for already. Only an expired version right after another one must wait.
  const expiredAnew = kind === 'expired' && state.phase === 'watching' && failedBy !== 'expired'
  const atOnce = expiredAnew || (before === 0 && kind === 'silent')
  const ms = atOnce ? (retryAfterMs ?? 0) : backoffMs(failures, moment.random, retryAfterMs)
  // A request that the server does not support would be rejected again.
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
  return [next, [log(levelOf(kind, failures), messageByFailure[kind], fields), { do: 'wait', ms }]]
}

function garbled(state: WatchState, type: string, moment: Moment): Stepped {
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

function log(level: 'info' | 'warn' | 'error', message: string, fields: LogFields = {}): Notice {
  return { do: 'log', level, message, fields }
}

/** Forgets earlier failures after a healthy stream. */
function healed(state: WatchState, { now }: Moment): WatchState {
  const healthy = state.openedAt !== undefined && now - state.openedAt >= healthyMs
  return healthy ? { ...state, failures: 0, failedBy: undefined } : state
}

/** The versions of objects in a streamed list are no versions to go on from, so only `watching` advances. */
function advanced(state: WatchState, version: string): WatchState {
  if (state.phase !== 'watching' || state.version === undefined) return state
  return BigInt(version) > BigInt(state.version) ? { ...state, version, seenUpTo: version } : state
}

/** Whether an object of a repeated list has a version that no event has told. */
function isUnseen({ seenUpTo }: WatchState, version: string): boolean {
  return seenUpTo !== undefined && isVersion(version) && BigInt(version) > BigInt(seenUpTo)
}

function isVersion(version: string | undefined): version is string {
  return version !== undefined && /^\d+$/.test(version)
}

function timeout({ random }: Moment): number {
  return timeoutFrom + Math.floor(random * (timeoutTo - timeoutFrom + 1))
}
