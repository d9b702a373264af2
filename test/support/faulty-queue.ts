import { setTimeout as sleep } from 'node:timers/promises'
import type { ChangesQueue, OutgoingChange } from '../../lib/aws/queue-ports.ts'
import { OperatorError } from '../../lib/errors.ts'
import { changeGroupId } from '../../lib/messages.ts'

/** Probabilities of what happens to a message, each in [0, 1]. */
export interface Unreliability {
  lost: number
  doubled: number
  /** Delayed for up to `longestMs`, so that later messages of its instance overtake it. */
  late: number
  longestMs: number
}

/** Most losses in a row for one instance. The sender doubles its wait each time, so more would exceed a test's time. */
const mostLossesInARow = 2

/** Accepts every message, then loses, doubles or delays it. Every copy has a deduplication id of its own. */
export function unreliableQueue(
  inner: ChangesQueue,
  { lost, doubled, late, longestMs }: Unreliability,
  random: () => number,
): ChangesQueue {
  let copies = 0
  const losses = new Map<string, number>()
  const loses = (group: string) => {
    const before = losses.get(group) ?? 0
    const isLost = random() < lost && before < mostLossesInARow
    losses.set(group, isLost ? before + 1 : 0)
    return isLost
  }
  const deliver = async (sent: OutgoingChange, signal: AbortSignal) => {
    if (random() < late) await sleep(random() * longestMs, undefined, { signal })
    copies += 1
    await inner.sendBatch(
      [{ ...sent, deduplicationId: `${sent.deduplicationId.slice(0, 100)}-${copies}` }],
      signal,
    )
  }
  const send: ChangesQueue['send'] = async (changes, signal) => {
    for (const change of changes) {
      if (loses(changeGroupId(change.change))) continue
      const times = random() < doubled ? 2 : 1
      // A late message counts as accepted: the sender learns nothing of the delay.
      for (let copy = 0; copy < times; copy++) void deliver(change, signal).catch(() => {})
    }
    return []
  }
  return { send, sendBatch: send, isEmpty: inner.isEmpty }
}

export interface RefusingQueue extends ChangesQueue {
  /** `refuses` refuses each entry; `fails` fails the request as a whole. */
  behaviour: 'accepts' | 'refuses' | 'fails'
  /** Messages refused so far. */
  refused: number
}

export function refusingQueue(inner: ChangesQueue): RefusingQueue {
  const through =
    (send: ChangesQueue['send']): ChangesQueue['send'] =>
    async (changes, signal) => {
      if (queue.behaviour === 'accepts') return send(changes, signal)
      queue.refused += changes.length
      if (queue.behaviour === 'refuses') return changes
      throw new OperatorError('Internal', 'queue changes.fifo is throttled')
    }
  const queue: RefusingQueue = {
    behaviour: 'accepts',
    refused: 0,
    send: through(inner.send),
    sendBatch: through(inner.sendBatch),
    isEmpty: inner.isEmpty,
  }
  return queue
}
