import { abortable, sleep, type Timers } from '../../abort.ts'
import type { ChangesQueue, OutgoingChange } from '../../aws/queue-ports.ts'
import type { Log } from '../../telemetry/log.ts'
import { createSendQueue, type PendingChange } from './send-queue.ts'

export interface Sender {
  /** Replaces what is pending under the same subject: the newer change is the one that holds. */
  put(pending: PendingChange): void
  /** Removes what is pending under the subject. */
  withdraw(subject: string): void
  /** The effect of a sent change was seen. */
  effectSeen(subject: string): void
  /** Resolves when there is room. The watches wait for it. Changes that wait for a limit, or for ends, take no room. */
  drained(signal: AbortSignal): Promise<void>
  /** Resolves when the queue has accepted all changes. No limit applies until then. */
  flushed(signal: AbortSignal): Promise<void>
  clear(): void
  /** Breaks off the requests under way. Their changes are pending again. */
  interrupt(): void
  /** Sends again what `maySend` has held back. */
  resume(): void
  /** Resolves when no request is under way any more, once the sender's signal has aborted. */
  ended(): Promise<void>
  /** Changes that the queue has not accepted yet. */
  readonly pending: number
}

export interface SenderOptions {
  changes: Pick<ChangesQueue, 'sendBatch'>
  /** The queue has these changes. */
  onAccepted?: (changes: readonly OutgoingChange[]) => void
  /** Whether anything may be sent at this moment. */
  maySend?: () => boolean
  log: Log
  /** In [0, 1): jitter. */
  random?: () => number
  timers: Timers
  /** Epoch milliseconds. */
  now: () => number
}

/** 4 batches of ten at 15 ms each: 2,600 messages a second, more than one API server makes changes. */
const parallelBatches = 4

/** Some 600 bytes each, about one MB. Beyond it the streams wait, so that the memory does not grow. */
const roomFor = 2_000

const firstWaitMs = 500
const longestWaitMs = 30_000

/**
 * Sends changes and drops none. A change that SQS refuses is kept and tried again, after 0.5 s doubling to 30 s.
 * @param signal ends the loop
 */
export function createSender(options: SenderOptions, signal: AbortSignal): Sender {
  const { changes, onAccepted, maySend = () => true, log, timers, now, random = Math.random } = options
  const queue = createSendQueue(now)
  /** Resolves when the backlog has shrunk, and is replaced. */
  let shrunk = Promise.withResolvers<void>()
  let underWay = 0
  let refusals = 0
  let scheduled = false
  let wakes: { at: number; timer: unknown } | undefined
  let flushing = false
  let interruption = new AbortController()
  const deliveries = new Set<Promise<void>>()

  function schedule(): void {
    if (scheduled) return
    scheduled = true
    // The events of one chunk are handled in one turn of the event loop, so their changes share batches.
    setImmediate(() => {
      scheduled = false
      pump()
    })
  }

  function pump(): void {
    // Asked before each batch, since any of them may be the first one after the process was stopped.
    while (underWay < (refusals > 0 ? 1 : parallelBatches) && !signal.aborted && maySend()) {
      // After the end no effect is seen, so no limit would ever open.
      const { batch, opensInMs } = queue.take({ ignoreLimits: flushing })
      if (opensInMs !== undefined) pumpAfter(opensInMs)
      if (batch.length === 0) return
      underWay += 1
      const delivery = deliver(batch).finally(() => deliveries.delete(delivery))
      deliveries.add(delivery)
    }
  }

  /** Without an effect nothing calls `pump` when a limit opens. */
  function pumpAfter(ms: number): void {
    const at = now() + ms
    if (wakes !== undefined && wakes.at <= at) return
    timers.clear(wakes?.timer)
    const timer = timers.set(() => {
      wakes = undefined
      pump()
    }, ms)
    wakes = { at, timer }
  }

  async function deliver(batch: PendingChange[]): Promise<void> {
    const refused = await attempt(batch.map(({ change }) => change))
    queue.finish(batch, refused)
    onAccepted?.(batch.map(({ change }) => change).filter(change => !refused.includes(change)))
    if (refused.length === 0 && refusals > 0) {
      refusals = 0
      log.info('queue accepts changes again', { pending: queue.waiting + queue.unsent })
    }
    if (refused.length > 0 && refusals > 0) await sleep(backoffMs(), signal, timers)
    underWay -= 1
    shrunk.resolve()
    shrunk = Promise.withResolvers<void>()
    pump()
  }

  async function attempt(batch: OutgoingChange[]): Promise<OutgoingChange[]> {
    const interrupted = interruption.signal
    try {
      const refused = await changes.sendBatch(batch, AbortSignal.any([signal, interrupted]))
      if (refused.length > 0) noteRefusal({ refused: refused.length })
      return refused
    } catch (error) {
      if (!signal.aborted && !interrupted.aborted) noteRefusal({ error })
      return batch
    }
  }

  function noteRefusal(fields: Record<string, unknown>): void {
    refusals += 1
    if (refusals === 1) log.warn('queue refuses changes, they are kept and tried again', fields)
  }

  function backoffMs(): number {
    const base = Math.min(longestWaitMs, firstWaitMs * 2 ** Math.min(refusals - 1, 10))
    return base * (0.5 + random() / 2)
  }

  function backlog(): number {
    return queue.waiting + queue.unsent
  }

  /**
   * While the queue accepts, changes that wait for a limit do not hold up the watches: there is at most one for
   * each instance.
   */
  function withoutRoom(): number {
    return refusals > 0 ? backlog() : queue.unsent
  }

  async function untilBelow(count: () => number, below: number, until: AbortSignal): Promise<void> {
    while (count() >= below && !until.aborted) await abortable(shrunk.promise, until).catch(() => {})
  }

  signal.addEventListener('abort', () => timers.clear(wakes?.timer), { once: true })

  return {
    put(pending) {
      queue.put(pending)
      schedule()
    },
    withdraw(subject) {
      queue.withdraw(subject)
      // What waited for it may go now.
      if (queue.waiting > 0) schedule()
    },
    effectSeen(subject) {
      queue.effectSeen(subject)
      if (queue.waiting > 0) schedule()
    },
    drained: until => untilBelow(withoutRoom, roomFor, until),
    async flushed(until) {
      flushing = true
      schedule()
      await untilBelow(backlog, 1, until)
      flushing = false
    },
    interrupt() {
      interruption.abort()
      interruption = new AbortController()
    },
    resume: schedule,
    async ended() {
      await Promise.all(deliveries)
    },
    clear() {
      queue.clear()
      shrunk.resolve()
      shrunk = Promise.withResolvers<void>()
    },
    get pending() {
      return backlog()
    },
  }
}
