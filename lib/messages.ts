import { createHash } from 'node:crypto'

/** Why somebody should look at an instance. A hint for what to verify, never a fact to act on. */
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

/** Names one instance; `uid` tells it from a predecessor or successor under the same name. */
export interface InstanceKey {
  namespace: string
  name: string
  uid: string
}

/** Body of a message in changes.fifo, at most 2 KB of JSON. */
export interface ChangeMessage extends InstanceKey {
  v: 1
  /** Version of the object whose change caused the message; empty where no single object did. */
  resourceVersion: string
  cause: Cause
  /** Name of the pod worth a GET. */
  pod?: string
  /** Failed passes that counted, since the last one that did not fail. */
  attempt: number
  /** Passes that ended in a wait (requeue, database or cluster away), which lengthen the next wait only. */
  waits?: number
  /** RFC 3339. */
  at: string
  /** W3C traceparent. */
  trace?: string
}

/** What a timer carries back into changes.fifo when it is due. */
export type TimerKey = Pick<
  ChangeMessage,
  'namespace' | 'name' | 'uid' | 'cause' | 'attempt' | 'waits' | 'pod' | 'trace'
>

/** Body of a message in timers. */
export interface TimerMessage {
  v: 1
  key: TimerKey
  /** RFC 3339 with milliseconds. */
  due: string
}

/** A message nobody can act on: it goes to the dead letters at once, with `message` as the reason. */
export class MessageInvalid extends Error {
  override readonly name = 'MessageInvalid'
}

/** SQS allows 128 characters; a namespace and name within our own rules have at most 127 with the slash. */
const groupIdLimit = 128

/** One group per instance: one pass at a time for it, all others side by side. */
export function changeGroupId(key: { namespace: string; name: string }): string {
  return `${key.namespace}/${key.name}`.slice(0, groupIdLimit)
}

/**
 * Same change, same id, whoever sends it: two forwarders at once are harmless.
 * `version` is what changed; a repeat that is wanted within SQS's five minutes needs another one.
 */
export function changeDeduplicationId(uid: string, cause: Cause, version: string): string {
  return digest(['change', uid, cause, version])
}

export function timerDeduplicationId(timer: TimerMessage): string {
  const { namespace, name, uid, cause } = timer.key
  return digest(['timer', namespace, name, uid, cause, String(Date.parse(timer.due))])
}

/** @throws MessageInvalid naming what is wrong with the body */
export function parseChange(body: string): ChangeMessage {
  const value = parseVersioned(body)
  checkKey(value)
  if (typeof value.at !== 'string') throw new MessageInvalid('message has no time ("at")')
  return { resourceVersion: '', ...value } as unknown as ChangeMessage
}

/** @throws MessageInvalid naming what is wrong with the body */
export function parseTimer(body: string): TimerMessage {
  const value = parseVersioned(body)
  if (typeof value.key !== 'object' || value.key === null) throw new MessageInvalid('timer has no "key"')
  checkKey(value.key as Record<string, unknown>)
  if (typeof value.due !== 'string' || Number.isNaN(Date.parse(value.due)))
    throw new MessageInvalid('timer has no time ("due")')
  return value as unknown as TimerMessage
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
