import { abortable, sleep, type Timers } from '../abort.ts'
import type { ChangesQueue, OutgoingChange } from '../aws/queue-ports.ts'
import { changeGroupId } from '../messages.ts'
import type { Log } from '../telemetry/log.ts'
import { createWindow } from './window.ts'

export interface Sender {
  /**
   * Takes the place of what is still pending under the same subject: the newer one says what is the case now.
   * @param startsWork work that others may be ahead of: it waits for its place in the window
   */
  put(subject: string, change: OutgoingChange, startsWork?: boolean): void
  /** What was pending is not wanted any more. */
  withdraw(subject: string): void
  /** The effect of what was sent shows. */
  effectSeen(subject: string): void
  /** Resolves when there is room: the watches wait for it. What only waits for the window takes none. */
  drained(signal: AbortSignal): Promise<void>
  /** Resolves when all was accepted. */
  flushed(signal: AbortSignal): Promise<void>
  clear(): void
  readonly pending: number
}

interface Entry {
  subject: string
  change: OutgoingChange
  startsWork: boolean
}

export interface SenderOptions {
  changes: Pick<ChangesQueue, 'sendBatch'>
  log: Log
  /** In [0, 1): jitter. */
  random?: () => number
  timers: Timers
  /** Epoch milliseconds. */
  now: () => number
}

const batchSize = 10

/** 4 batches of ten at 15 ms each: 2,600 messages a second, more than one API server makes changes. */
const sideBySide = 4

/** Some 600 bytes each, about one MB: then the streams wait, not the memory grows. */
const roomFor = 2_000

const firstWaitMs = 500
const longestWaitMs = 30_000

/**
 * Sends without ever dropping: what SQS refuses is kept and tried again, 0.5 s doubling to 30 s. Changes of one group are
 * never under way at the same time, so they arrive in order.
 */
export function createSender(options: SenderOptions, signal: AbortSignal): Sender {
  const { changes, log, timers, now, random = Math.random } = options
  /** What goes ahead; what waits for its place in the window. */
  const ahead = new Map<string, Entry>()
  const toBegin = new Map<string, Entry>()
  const window = createWindow(now)
  const busy = new Set<string>()
  /** Resolves when the backlog has shrunk, and is replaced. */
  let shrunk = Promise.withResolvers<void>()
  let underWay = 0
  let refusals = 0
  let scheduled = false
  let reopening = false
  let flushing = false

  function schedule(): void {
    if (scheduled) return
    scheduled = true
    // The events of one chunk are told in one turn of the loop: they share batches.
    setImmediate(() => {
      scheduled = false
      pump()
    })
  }

  function pump(): void {
    while (underWay < (refusals > 0 ? 1 : sideBySide) && !signal.aborted) {
      const batch = takeBatch()
      if (batch.length === 0) return
      underWay += 1
      void deliver(batch)
    }
  }

  function takeBatch(): Entry[] {
    const batch: Entry[] = []
    take(ahead, batch)
    if (toBegin.size > 0 && mayBegin()) take(toBegin, batch)
    else if (toBegin.size > 0) void reopened()
    return batch
  }

  /**
   * Not for each place that becomes free: the queue has work, and its requests are what it costs. At the end everything
   * goes: there is nobody here any more who could see an answer.
   */
  function mayBegin(): boolean {
    return flushing || window.free >= Math.min(batchSize, toBegin.size)
  }

  function take(from: Map<string, Entry>, batch: Entry[]): void {
    for (const entry of from.values()) {
      if (batch.length === batchSize || (from === toBegin && !flushing && window.free === 0)) return
      const group = changeGroupId(entry.change.change)
      if (busy.has(group)) continue
      busy.add(group)
      from.delete(entry.subject)
      if (entry.startsWork) window.sent(entry.subject)
      batch.push(entry)
    }
  }

  /** Nothing may answer, so somebody has to look again. */
  async function reopened(): Promise<void> {
    if (reopening) return
    reopening = true
    await sleep(window.opensInMs, signal, timers)
    reopening = false
    pump()
  }

  async function deliver(batch: Entry[]): Promise<void> {
    const refused = await attempt(batch.map(({ change }) => change))
    for (const entry of batch) {
      const { subject, change, startsWork } = entry
      busy.delete(changeGroupId(change.change))
      if (!refused.includes(change)) continue
      window.refused(subject)
      if (!ahead.has(subject) && !toBegin.has(subject)) (startsWork ? toBegin : ahead).set(subject, entry)
    }
    if (refused.length === 0 && refusals > 0) {
      refusals = 0
      log.info('queue accepts changes again', { pending: ahead.size + toBegin.size })
    }
    if (refused.length > 0) await sleep(backoffMs(), signal, timers)
    underWay -= 1
    tell()
    pump()
  }

  async function attempt(batch: OutgoingChange[]): Promise<OutgoingChange[]> {
    try {
      const refused = await changes.sendBatch(batch, signal)
      if (refused.length > 0) complain({ refused: refused.length })
      return refused
    } catch (error) {
      if (!signal.aborted) complain({ error })
      return batch
    }
  }

  function complain(fields: Record<string, unknown>): void {
    refusals += 1
    if (refusals === 1) log.warn('queue refuses changes, they are kept and tried again', fields)
  }

  function backoffMs(): number {
    const base = Math.min(longestWaitMs, firstWaitMs * 2 ** Math.min(refusals - 1, 10))
    return base * (0.5 + random() / 2)
  }

  function backlog(): number {
    return ahead.size + toBegin.size + busy.size
  }

  /** While the queue accepts, what waits for the window is not held up by it: there is one at most for each instance. */
  function held(): number {
    return refusals > 0 ? backlog() : ahead.size + busy.size
  }

  function tell(): void {
    shrunk.resolve()
    shrunk = Promise.withResolvers<void>()
  }

  async function untilBelow(count: () => number, below: number, until: AbortSignal): Promise<void> {
    while (count() >= below && !until.aborted) await abortable(shrunk.promise, until).catch(() => {})
  }

  return {
    put(subject, change, startsWork = false) {
      const [to, from] = startsWork ? [toBegin, ahead] : [ahead, toBegin]
      from.delete(subject)
      to.set(subject, { subject, change, startsWork })
      schedule()
    },
    withdraw(subject) {
      ahead.delete(subject)
      toBegin.delete(subject)
    },
    effectSeen(subject) {
      window.effectSeen(subject)
      if (toBegin.size > 0) schedule()
    },
    drained: until => untilBelow(held, roomFor, until),
    flushed(until) {
      flushing = true
      schedule()
      return untilBelow(backlog, 1, until)
    },
    clear() {
      ahead.clear()
      toBegin.clear()
      window.clear()
      tell()
    },
    get pending() {
      return backlog()
    },
  }
}
