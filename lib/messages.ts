import { createHash } from 'node:crypto'

/** The reasons for a pass. A cause says what to verify. It is never a fact to act on. */
export const causes = [
  'changed',
  'deleted',
  'child',
  'pod',
  'template',
  'expiry',
  'idle',
  'drift',
  'orphan',
  'retry',
  'manual',
] as const

export type Cause = (typeof causes)[number]

/** Names one instance. `uid` distinguishes it from a predecessor or successor with the same name. */
export interface InstanceKey {
  namespace: string
  name: string
  uid: string
}

/** Names an object of a kind that is known, whatever its uid. */
export interface ObjectKey {
  namespace: string
  name: string
}

/** Why a roll-out is held: instances that served when they took the newer template up, and those that serve no more. */
export interface HeldRollout {
  notReady: number
  of: number
}

/**
 * What an end follows from in the instance itself, as the sender of a message saw it. The pass believes it for one purpose:
 * to delete the instance in the version that the message names, which the API server compares. Times are in epoch
 * milliseconds.
 */
export interface SeenEnd {
  /** The end that the status shows. */
  at: number
  /** `spec.expiresAt`. */
  asked?: number
  createdAt: number
  /** `spec.templateRef`. */
  template: string
  /** `status.template.revision`. */
  revision: string
  event: number
  team: number
}

/** The kinds of objects with messages of their own, beside instances. */
export const messageKinds = ['Revision', 'Certificate', 'Namespace', 'Policy', 'Clock'] as const

export type MessageKind = (typeof messageKinds)[number]

/** Body of a message in changes.fifo, at most 2 KB of JSON. */
export interface ChangeMessage extends InstanceKey {
  v: 1
  /**
   * What the key names; undefined: an instance. `Revision`: the Secret of a template's revision that no instance uses. An old
   * function takes it for an instance that is gone, and finds nothing to clean up. `Certificate`: a copy of the certificate
   * of Ingresses that no Ingress uses. `Namespace`: the namespace of an event, under its name as namespace and name, that
   * no instance uses (cause `orphan`), or whose quota is not the one that is configured (cause `drift`). `Policy`: a policy that instances share, which is unused (cause `orphan`), or absent or
   * changed (cause `drift`). `Clock`: the organiser's ConfigMap, which the state of the clock does not follow yet.
   */
  kind?: MessageKind
  /** Version of the object whose change caused the message. Empty if no single object did. */
  resourceVersion: string
  cause: Cause
  /** Name of the pod that the pass reads. */
  pod?: string
  /** The namespace of the workload of an instance that is gone, so that its children are found. */
  workloadNamespace?: string
  /** The roll-out of a newer template has been held for a while. The pass reports that its instance waits, and why. */
  held?: HeldRollout
  /** With the cause `expiry`: the end of the instance in the version `resourceVersion`. */
  end?: SeenEnd
  /** An instance that needs the policy. Its template tells what the policy has to say. */
  neededBy?: ObjectKey
  /**
   * Version of the state of the organiser's clock that the sender knew; `noClock`: there was none. It speaks for the time of
   * `at` only, so a timer carries none.
   */
  clock?: string
  /** Number of failed passes in a row that counted as attempts. */
  attempt: number
  /** Number of passes in a row that ended in a wait (requeue, database or cluster away). It lengthens the next wait only. */
  waits?: number
  /** The time at which the message was made, in RFC 3339. */
  at: string
  /** W3C traceparent. A timer carries it to the pass behind it. */
  trace?: string
}

/** The part of a change that a timer carries back into changes.fifo when it is due. */
export type TimerKey = Pick<
  ChangeMessage,
  'namespace' | 'name' | 'uid' | 'cause' | 'attempt' | 'waits' | 'pod' | 'trace' | 'workloadNamespace'
>

/** Body of a message in timers. */
export interface TimerMessage {
  v: 1
  key: TimerKey
  /** RFC 3339 with milliseconds. */
  due: string
}

/** Body of a message in sweeps: the next sweep of a minute. */
export interface SweepTurn {
  v: 1
  /** When the first sweep of the minute began, in RFC 3339. */
  began: string
  /** Counted from 0 in its minute. */
  number: number
  /** This sweep compares children, too. */
  resync: boolean
}

/** A message that cannot be read. It goes to the dead letters at once, with `message` as the reason. */
export class MessageInvalid extends Error {
  override readonly name = 'MessageInvalid'
}

/** SQS allows 128 characters. A namespace and a name within our own rules have at most 127 with the slash. */
const groupIdLimit = 128

/**
 * One group for each instance: SQS delivers its messages in order, and those of other instances at the same time. The
 * group of another kind begins with the kind, and no namespace has its capital letter.
 */
export function changeGroupId({
  kind,
  namespace,
  name,
}: Pick<ChangeMessage, 'kind' | 'namespace' | 'name'>): string {
  return [...(kind ? [kind] : []), namespace, name].join('/').slice(0, groupIdLimit)
}

/**
 * The same change has the same id, whichever forwarder sends it, so two forwarders at the same time are harmless.
 * @param version the version that changed. A message that is repeated on purpose within the five minutes of SQS's
 *   deduplication needs another one.
 */
export function changeDeduplicationId(uid: string, cause: Cause, version: string): string {
  return digest(['change', uid, cause, version])
}

/** Several timers of one instance with the same cause and due time become one message. */
export function timerDeduplicationId(timer: TimerMessage): string {
  const { namespace, name, uid, cause } = timer.key
  return digest(['timer', namespace, name, uid, cause, String(Date.parse(timer.due))])
}

/**
 * Parses the body of a message in changes.fifo. An optional field of a wrong type is dropped.
 * @throws MessageInvalid naming what is wrong with the body
 */
export function parseChange(body: string): ChangeMessage {
  const value = parseVersioned(body)
  checkKey(value)
  if (value.kind !== undefined && !messageKinds.includes(value.kind as MessageKind))
    throw new MessageInvalid(`message has an unknown kind ${JSON.stringify(value.kind)}`)
  if (typeof value.at !== 'string') throw new MessageInvalid('message has no time ("at")')
  return { resourceVersion: '', ...withoutUnusable(value) } as unknown as ChangeMessage
}

/**
 * Parses the body of a message in timers. An optional field of a wrong type is dropped.
 * @throws MessageInvalid naming what is wrong with the body
 */
export function parseTimer(body: string): TimerMessage {
  const value = parseVersioned(body)
  if (typeof value.key !== 'object' || value.key === null) throw new MessageInvalid('timer has no "key"')
  const key = value.key as Record<string, unknown>
  checkKey(key)
  if (typeof value.due !== 'string' || Number.isNaN(Date.parse(value.due)))
    throw new MessageInvalid('timer has no time ("due")')
  return { v: 1, key: withoutUnusable(key) as unknown as TimerKey, due: value.due }
}

/**
 * Parses the body of a message in sweeps.
 * @throws MessageInvalid naming what is wrong with the body
 */
export function parseTurn(body: string): SweepTurn {
  const { began, number, resync } = parseVersioned(body)
  if (typeof began !== 'string' || Number.isNaN(Date.parse(began)))
    throw new MessageInvalid('message has no time ("began")')
  if (!Number.isInteger(number) || typeof resync !== 'boolean')
    throw new MessageInvalid('message has no "number" or no "resync"')
  return { v: 1, began, number: number as number, resync }
}

const traceparent = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/

/** The optional fields. They are hints, so a message without them is still of use. */
const isUsable = new Map<string, (content: unknown) => boolean>([
  ['pod', content => typeof content === 'string' && content !== ''],
  ['workloadNamespace', content => typeof content === 'string' && content !== ''],
  ['held', isHeldRollout],
  ['neededBy', isObjectName],
  ['end', isSeenEnd],
  ['clock', content => typeof content === 'string' && content !== ''],
  ['waits', content => Number.isInteger(content) && (content as number) >= 0],
  ['trace', content => typeof content === 'string' && traceparent.test(content)],
  ['resourceVersion', content => typeof content === 'string'],
])

function isHeldRollout(content: unknown): boolean {
  const { notReady, of } = (content ?? {}) as Partial<HeldRollout>
  return Number.isInteger(notReady) && Number.isInteger(of)
}

function isObjectName(content: unknown): boolean {
  const { namespace, name } = (content ?? {}) as Record<string, unknown>
  return typeof namespace === 'string' && typeof name === 'string'
}

/** The first millisecond of the year 10000, which RFC 3339 cannot say. */
const timeLimit = 253_402_300_800_000

/** One field that is not as it has to be makes the whole useless: without it, another end would follow from the others. */
function isSeenEnd(content: unknown): boolean {
  const { at, asked, createdAt, template, revision, event, team } = (content ?? {}) as Record<string, unknown>
  const isTime = (time: unknown) =>
    Number.isInteger(time) && (time as number) >= 0 && (time as number) < timeLimit
  return (
    [at, createdAt, asked ?? 0].every(isTime) &&
    [template, revision].every(name => typeof name === 'string' && name !== '') &&
    [event, team].every(Number.isInteger)
  )
}

/** Keeps unknown fields, so that a timer function hands on a field that a newer release has added. */
function withoutUnusable(value: Record<string, unknown>): Record<string, unknown> {
  const usable = Object.entries(value).filter(([field, content]) => isUsable.get(field)?.(content) ?? true)
  return Object.fromEntries(usable)
}

function parseVersioned(body: string): Record<string, unknown> {
  let value: unknown
  try {
    value = JSON.parse(body)
  } catch {
    throw new MessageInvalid('message is not JSON')
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new MessageInvalid('message is not a JSON object')
  const record = value as Record<string, unknown>
  if (record.v !== 1)
    throw new MessageInvalid(`message has version ${JSON.stringify(record.v)}, this operator reads version 1`)
  return record
}

function checkKey(value: Record<string, unknown>): void {
  for (const field of ['namespace', 'name', 'uid'])
    if (typeof value[field] !== 'string' || value[field] === '')
      throw new MessageInvalid(`message has no "${field}"`)
  if (!causes.includes(value.cause as Cause))
    throw new MessageInvalid(`message has an unknown cause ${JSON.stringify(value.cause)}`)
  if (!Number.isInteger(value.attempt) || (value.attempt as number) < 0)
    throw new MessageInvalid('message has no "attempt" (an integer from 0)')
}

function digest(parts: string[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex')
}
