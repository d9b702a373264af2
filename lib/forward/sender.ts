import type { ChangesQueue, OutgoingChange } from '../aws/sending.ts'
import { changeGroupId } from '../messages.ts'
import type { Log } from '../telemetry/log.ts'

export interface Sender {
  /** Takes the place of what is still pending under the same subject: the newer one says what is the case now. */
  put(subject: string, change: OutgoingChange): void
  /** What was pending is not wanted any more. */
  withdraw(subject: string): void
  /** Resolves when there is room: the watches wait for it. */
  drained(signal: AbortSignal): Promise<void>
  /** Resolves when all was accepted. */
  flushed(signal: AbortSignal): Promise<void>
  clear(): void
  readonly pending: number
}

type Entry = [subject: string, change: OutgoingChange]

export interface SenderOptions {
  changes: ChangesQueue
  log: Log
  /** In [0, 1): jitter. */
  random?: () => number
  /** Resolves after that many milliseconds, or when the signal aborts. */
  sleep: (ms: number, signal: AbortSignal) => Promise<void>
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
  const { changes, log, sleep, random = Math.random } = options
  const pending = new Map<string, OutgoingChange>()
  const busy = new Set<string>()
  const waiting: { below: number; resolve: () => void }[] = []
  let underWay = 0
  let refusals = 0
  let scheduled = false

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
    for (const entry of pending) {
      const [subject, { change }] = entry
      const group = changeGroupId(change)
      if (busy.has(group)) continue
      busy.add(group)
      pending.delete(subject)
      if (batch.push(entry) === batchSize) break
    }
    return batch
  }

  async function deliver(batch: Entry[]): Promise<void> {
    const refused = await attempt(batch.map(([, change]) => change))
    for (const [subject, change] of batch) {
      busy.delete(changeGroupId(change.change))
      if (refused.includes(change) && !pending.has(subject)) pending.set(subject, change)
    }
    if (refused.length === 0 && refusals > 0) {
      refusals = 0
      log.info('queue accepts changes again', { pending: pending.size })
    }
    if (refused.length > 0) await sleep(backoffMs(), signal)
    underWay -= 1
    tell()
    pump()
  }

  async function attempt(batch: OutgoingChange[]): Promise<OutgoingChange[]> {
    try {
      const refused = await changes.send(batch, signal)
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
    return pending.size + busy.size
  }

  function tell(): void {
    for (const each of waiting.filter(({ below }) => backlog() < below)) {
      waiting.splice(waiting.indexOf(each), 1)
      each.resolve()
    }
  }

  function shrunk(below: number, until: AbortSignal): Promise<void> {
    if (backlog() < below || until.aborted) return Promise.resolve()
    return new Promise(resolve => {
      const entry = { below, resolve: () => done() }
      const done = () => {
        until.removeEventListener('abort', done)
        if (waiting.includes(entry)) waiting.splice(waiting.indexOf(entry), 1)
        resolve()
      }
      until.addEventListener('abort', done, { once: true })
      waiting.push(entry)
    })
  }

  return {
    put(subject, change) {
      pending.set(subject, change)
      schedule()
    },
    withdraw: subject => void pending.delete(subject),
    drained: until => shrunk(roomFor, until),
    flushed: until => shrunk(1, until),
    clear() {
      pending.clear()
      tell()
    },
    get pending() {
      return backlog()
    },
  }
}
