import type { OutgoingChange } from '../../../lib/aws/queue-ports.ts'
import type { ChallengeInstance } from '../../../lib/crd/challenge-instance.ts'
import { annotations } from '../../../lib/crd/group.ts'
import type { Stored } from '../../../lib/crd/objects.ts'
import { type ChangeMessage, changeDeduplicationId } from '../../../lib/messages.ts'
import { setAnnotation } from '../../../lib/reconcile/json-patch.ts'
import type { Action } from '../actions/action.ts'
import type { Letter } from './letter.ts'
import { type Subject, stateOf } from './subjects.ts'

/** What is done about a letter before it is removed. The letter itself is never sent again: it tells of an older world. */
export type Retry =
  /** The instance lives: a force-sync verifies all of it. */
  | { kind: 'wake'; instance: Stored<ChallengeInstance> }
  /** A message of its own cleans up after what is gone, or looks at a shared object. */
  | { kind: 'send'; change: ChangeMessage }
  | { kind: 'keep'; because: string }

/** @param now RFC 3339 */
export function retryOf({ letter, instance }: Subject, now: string): Retry {
  const { about } = letter
  switch (about.kind) {
    case 'unreadable':
      return { kind: 'keep', because: `${about.because}; it stays in the queue` }
    case 'shared':
      return { kind: 'send', change: { ...about.change, attempt: 0, at: now } }
    case 'instance':
      if (instance !== undefined) return { kind: 'wake', instance }
      return { kind: 'send', change: orphanOf(about, now) }
  }
}

/** Says what a retry does. */
export function retrySentence(subject: Subject, retry: Retry): string {
  if (retry.kind === 'keep') return `cannot be retried: ${retry.because}`
  if (retry.kind === 'wake')
    return `would be retried: the instance (${stateOf(subject)}) is verified by force-sync`
  return subject.letter.about.kind === 'shared'
    ? 'would be retried: the object is looked at again'
    : 'would be retried: the instance is gone, and what is left of it is removed'
}

/** The version is new with each retry, so that the deduplication of the queue does not swallow the message. */
export function outgoing(change: ChangeMessage, { id }: Letter, now: string): OutgoingChange {
  return { change, deduplicationId: changeDeduplicationId(change.uid, change.cause, `${id} ${now}`) }
}

/** Asks for a pass that verifies the whole instance, also if it is being deleted. @param now RFC 3339 */
export function forceSync(now: string): Action {
  return {
    participle: 'woken',
    whileDeleting: true,
    step: ({ metadata }) => ({
      kind: 'patch',
      operations: [setAnnotation(metadata, annotations.forceSync, now)],
      detail: undefined,
    }),
  }
}

function orphanOf(
  { key, workloadNamespace }: Extract<Letter['about'], { kind: 'instance' }>,
  now: string,
): ChangeMessage {
  return {
    v: 1,
    ...key,
    resourceVersion: '',
    cause: 'orphan',
    attempt: 0,
    at: now,
    ...(workloadNamespace === undefined ? {} : { workloadNamespace }),
  }
}
