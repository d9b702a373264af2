import type { SQSRecord } from 'aws-lambda'
import { changesReceives } from '../../../lib/aws/redelivery.ts'
import {
  type ChangeMessage,
  type InstanceKey,
  MessageInvalid,
  parseChange,
  parseTimer,
} from '../../../lib/messages.ts'

/** A message of the queue of dead letters, as it was read. */
export interface Letter {
  /** The message id of the queue. It stays the same however often the letter is read. */
  id: string
  about: LetterAbout
  /** Why the message became a dead letter. */
  why: string
  /** RFC 3339. */
  since: string
  record: SQSRecord
}

export type LetterAbout =
  | { kind: 'instance'; key: InstanceKey; cause: string; workloadNamespace: string | undefined }
  /** An object that instances share, which has messages of its own. */
  | { kind: 'shared'; change: ChangeMessage }
  | { kind: 'unreadable'; because: string }

export function letterOf(record: SQSRecord): Letter {
  const { SentTimestamp } = record.attributes
  return {
    id: record.messageId,
    about: aboutOf(record.body),
    why: record.messageAttributes.reason?.stringValue ?? crashed,
    since: new Date(Number(SentTimestamp)).toISOString(),
    record,
  }
}

/** The queue itself moves such a message, and adds no reason. */
const crashed =
  `received ${changesReceives} times without an answer: its batch crashed the function, or its timer could not be sent ` +
  '(the log of the function says which)'

/** Returns the name that a person calls the letter by: `namespace/name`, with the kind of a shared object before it. */
export function subjectOf({ about }: Letter): string {
  if (about.kind === 'unreadable') return '-'
  if (about.kind === 'instance') return `${about.key.namespace}/${about.key.name}`
  const { kind, namespace, name } = about.change
  return `${kind} ${namespace}/${name}`
}

export function causeOf({ about }: Letter): string {
  if (about.kind === 'unreadable') return '-'
  return about.kind === 'instance' ? about.cause : about.change.cause
}

/** A queue of timers has dead letters of its own, with another body. */
function aboutOf(body: string): LetterAbout {
  try {
    const change = parseChange(body)
    return change.kind === undefined ? aboutInstance(change) : { kind: 'shared', change }
  } catch (thrown) {
    if (!(thrown instanceof MessageInvalid)) throw thrown
    return aboutTimer(body) ?? { kind: 'unreadable', because: thrown.message }
  }
}

function aboutTimer(body: string): LetterAbout | undefined {
  try {
    return aboutInstance(parseTimer(body).key)
  } catch {
    return undefined
  }
}

function aboutInstance({
  namespace,
  name,
  uid,
  cause,
  workloadNamespace,
}: Pick<ChangeMessage, 'namespace' | 'name' | 'uid' | 'cause' | 'workloadNamespace'>): LetterAbout {
  return { kind: 'instance', key: { namespace, name, uid }, cause, workloadNamespace }
}
