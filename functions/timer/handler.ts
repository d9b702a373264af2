import { setTimeout as wait } from 'node:timers/promises'
import type { SQSBatchResponse, SQSEvent, SQSRecord } from 'aws-lambda'
import type { ChangesQueue, DeadLetters, OutgoingChange, TimersQueue } from '../../lib/aws/queue-ports.ts'
import { parseTimer, type TimerMessage, timerDeduplicationId } from '../../lib/messages.ts'
import type { DeadlineContext } from '../../lib/middleware/deadline.ts'
import { invocation } from '../../lib/middleware/invocation.ts'
import type { Log } from '../../lib/telemetry/log.ts'

export interface TimerHandlerOptions {
  changes: Pick<ChangesQueue, 'send'>
  timers: TimersQueue
  deadLetters: DeadLetters
  log: Log
  /** Epoch milliseconds. */
  clock?: () => number
  /** The longest rest that is waited for here instead of by another delay, in milliseconds. */
  longestWaitMs?: number
}

/** Delays are floored to seconds, so up to one second is left; twice that allows for clocks that differ. */
const longestWaitMsDefault = 2_000
const reserveMs = 3_000

/** Group of timers among the dead letters: they belong to no instance that could be read. */
const unreadableGroup = 'timers'

interface Due {
  record: SQSRecord
  timer: TimerMessage
  at: number
}

/** timers → changes.fifo: a due timer becomes an ordinary key, one that is not due yet gets its rest as a new delay. */
export function createHandler(options: TimerHandlerOptions) {
  const { log } = options
  const run = async (event: SQSEvent, context: DeadlineContext): Promise<SQSBatchResponse> => {
    const left: SQSRecord[] = []
    const leave = (record: SQSRecord, error: unknown) => {
      log.warn('timer left for redelivery', { message_id: record.messageId, error })
      left.push(record)
    }
    const dues = await Promise.all(
      event.Records.map(record =>
        judge(record, options, context.signal).catch(error => leave(record, error)),
      ),
    )
    const waiting = dues.filter(due => due !== undefined).sort((one, other) => one.at - other.at)
    await sendInTime(waiting, options, context.signal, leave)
    return { batchItemFailures: left.map(record => ({ itemIdentifier: record.messageId })) }
  }
  return invocation(run, { log, reserveMs })
}

/** @returns undefined when nothing is left to do for the record here */
async function judge(
  record: SQSRecord,
  options: TimerHandlerOptions,
  signal: AbortSignal,
): Promise<Due | undefined> {
  const { clock = Date.now, longestWaitMs = longestWaitMsDefault } = options
  let timer: TimerMessage
  try {
    timer = parseTimer(record.body)
  } catch (thrown) {
    const reason = thrown instanceof Error ? thrown.message : String(thrown)
    await options.deadLetters.send(record.body, unreadableGroup, reason, signal)
    options.log.error('message sent to the dead letters', { group: unreadableGroup, reason })
    return undefined
  }
  const at = Date.parse(timer.due)
  if (at - clock() <= longestWaitMs) return { record, timer, at }
  await options.timers.send(timer, signal)
  return undefined
}

/** Waits for the earliest, then sends whatever is due with it in one call. */
async function sendInTime(
  dues: Due[],
  options: TimerHandlerOptions,
  signal: AbortSignal,
  leave: (record: SQSRecord, error: unknown) => void,
): Promise<void> {
  const { clock = Date.now } = options
  let rest = dues
  for (let first = rest[0]; first !== undefined; first = rest[0]) {
    const earliest = first.at
    try {
      if (earliest > clock()) await wait(earliest - clock(), undefined, { signal })
    } catch (thrown) {
      for (const due of rest) leave(due.record, thrown)
      return
    }
    const now = Math.max(clock(), earliest)
    const ready = rest.filter(due => due.at <= now)
    rest = rest.slice(ready.length)
    await send(ready, now, options.changes, signal, leave)
  }
}

async function send(
  dues: Due[],
  now: number,
  changes: TimerHandlerOptions['changes'],
  signal: AbortSignal,
  leave: (record: SQSRecord, error: unknown) => void,
): Promise<void> {
  const outgoing = new Map(dues.map(due => [toChange(due.timer, now), due.record]))
  try {
    const rejected = await changes.send([...outgoing.keys()], signal)
    for (const change of rejected) {
      const record = outgoing.get(change)
      if (record) leave(record, 'changes.fifo did not accept the key')
    }
  } catch (thrown) {
    for (const record of outgoing.values()) leave(record, thrown)
  }
}

function toChange(timer: TimerMessage, now: number): OutgoingChange {
  const at = new Date(now).toISOString()
  return {
    change: { v: 1, resourceVersion: '', at, ...timer.key },
    deduplicationId: timerDeduplicationId(timer),
  }
}
