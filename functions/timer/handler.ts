import { setTimeout as sleep } from 'node:timers/promises'
import type { SQSBatchResponse, SQSEvent, SQSRecord } from 'aws-lambda'
import type {
  ChangesQueue,
  DeadLetters,
  OutgoingChange,
  Redelivery,
  TimersQueue,
} from '../../lib/aws/queue-ports.ts'
import { redeliverSoon } from '../../lib/aws/redelivery.ts'
import { parseTimer, type TimerMessage, timerDeduplicationId } from '../../lib/messages.ts'
import type { DeadlineContext } from '../../lib/middleware/deadline.ts'
import { invocation } from '../../lib/middleware/invocation.ts'
import type { Log } from '../../lib/telemetry/log.ts'
import type { Metrics } from '../../lib/telemetry/metrics.ts'

export interface TimerHandlerOptions {
  changes: Pick<ChangesQueue, 'send'>
  timers: TimersQueue
  deadLetters: DeadLetters
  timersRedelivery: Redelivery
  log: Log
  metrics?: Metrics
  /** Epoch milliseconds. */
  clock?: () => number
}

/** Delays are floored to seconds, so up to one second is left. Twice that allows for clocks that differ. */
const longestWaitMs = 2_000
const reserveMs = 3_000

/** Message group of unreadable timers in the dead letters. They belong to no instance that could be read. */
const unreadableGroup = 'timers'

interface DueTimer {
  record: SQSRecord
  timer: TimerMessage
  /** Epoch milliseconds. */
  at: number
}

interface Run {
  options: TimerHandlerOptions
  now: () => number
  signal: AbortSignal
  /** Leaves a record for redelivery. */
  leave: (record: SQSRecord, error: unknown) => void
}

/** timers → changes.fifo: a due timer becomes a change. A timer that is not due yet is sent again with the rest of its delay. */
export function createHandler(options: TimerHandlerOptions) {
  const { log, metrics, clock = Date.now } = options
  const run = async (event: SQSEvent, { signal }: DeadlineContext): Promise<SQSBatchResponse> => {
    const left: SQSRecord[] = []
    const leave = (record: SQSRecord, error: unknown) => {
      log.warn('timer left for redelivery', { messageId: record.messageId, error })
      left.push(record)
    }
    const context: Run = { options, now: clock, signal, leave }
    const received = await Promise.all(
      event.Records.map(record => receiveTimer(record, context).catch(error => leave(record, error))),
    )
    const due = received.filter(timer => timer !== undefined).sort((one, other) => one.at - other.at)
    await sendWhenDue(due, context)
    await redeliverSoon(left, { redelivery: options.timersRedelivery, log })
    return { batchItemFailures: left.map(record => ({ itemIdentifier: record.messageId })) }
  }
  return invocation(run, { log, metrics, reserveMs })
}

/**
 * Reads one record. An unreadable record becomes a dead letter, and a timer that is due later is sent again.
 * @returns the timer if this invocation can wait for it
 */
async function receiveTimer(record: SQSRecord, { options, now, signal }: Run): Promise<DueTimer | undefined> {
  let timer: TimerMessage
  try {
    timer = parseTimer(record.body)
  } catch (thrown) {
    const reason = thrown instanceof Error ? thrown.message : String(thrown)
    await options.deadLetters.send(record.body, unreadableGroup, reason, signal)
    options.log.error('message sent to the dead letters', { group: unreadableGroup, reason })
    options.metrics?.count('DeadLetters', 1)
    return undefined
  }
  const at = Date.parse(timer.due)
  if (at - now() <= longestWaitMs) return { record, timer, at }
  await options.timers.send(timer, signal)
  return undefined
}

/** Waits for the earliest timer, then sends all that are due by then in one call, and so on. `timers` are sorted by `at`. */
async function sendWhenDue(timers: readonly DueTimer[], run: Run): Promise<void> {
  let rest = timers
  for (let first = rest[0]; first !== undefined; first = rest[0]) {
    const earliest = first.at
    try {
      if (earliest > run.now()) await sleep(earliest - run.now(), undefined, { signal: run.signal })
    } catch (thrown) {
      for (const { record } of rest) run.leave(record, thrown)
      return
    }
    const at = Math.max(run.now(), earliest)
    const due = rest.filter(timer => timer.at <= at)
    rest = rest.slice(due.length)
    await send(due, at, run)
  }
}

async function send(timers: readonly DueTimer[], at: number, { options, signal, leave }: Run): Promise<void> {
  const outgoing = new Map(timers.map(({ timer, record }) => [toChange(timer, at), record]))
  try {
    for (const change of await options.changes.send([...outgoing.keys()], signal)) {
      const record = outgoing.get(change)
      if (record) leave(record, 'changes.fifo did not accept the key')
    }
  } catch (thrown) {
    for (const record of outgoing.values()) leave(record, thrown)
  }
}

function toChange(timer: TimerMessage, at: number): OutgoingChange {
  return {
    change: { v: 1, resourceVersion: '', at: new Date(at).toISOString(), ...timer.key },
    deduplicationId: timerDeduplicationId(timer),
  }
}
