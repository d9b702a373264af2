import type { Timers } from '../../abort.ts'
import type { OutgoingChange } from '../../aws/queue-ports.ts'
import type { EndedList, WatchTarget } from '../../kubernetes/cluster.ts'
import type { ChangeMessage } from '../../messages.ts'
import type { Metrics } from '../../telemetry/metrics.ts'
import type { EndedSpan, Tracer } from '../../telemetry/span.ts'
import { parseTraceparent } from '../../telemetry/traceparent.ts'

export interface PulseOptions {
  metrics: Metrics
  tracer: Tracer | undefined
  /** Whether this forwarder leads and all its lists have ended. */
  isActive: () => boolean
  /** Epoch milliseconds. */
  now: () => number
  timers: Timers
}

/** Tells metrics how the forwarder is, at every beat while it runs. */
export interface Pulse {
  /** A watch brought a change. */
  changed(target: WatchTarget): void
  /** A watch brought a bookmark. */
  bookmarked(target: WatchTarget): void
  listed(target: WatchTarget, list: EndedList): void
  /** A kind is not watched any more. */
  dropped(kind: string): void
  leading(): void
  /** Tells at once how the forwarder is, and then at every beat. */
  beat(): void
  following(): void
  /** The queue has the messages. */
  accepted(changes: readonly OutgoingChange[]): void
  stop(): void
}

/** Milliseconds. CloudWatch keeps one value a minute, and an alarm must not miss one. */
const beatMs = 30_000

/** A standby sets `ForwarderLeading` to 0 once, when it becomes one, and then sends nothing: it would cost a line a beat. */
export function createPulse({ metrics, tracer, isActive, now, timers }: PulseOptions): Pulse {
  /** When each watch brought something, in epoch milliseconds. */
  const heardAt = new Map<WatchTarget, number>()
  let changedAt = now()
  let timer = timers.set(beat, beatMs)

  function beat(): void {
    timers.clear(timer)
    timer = timers.set(beat, beatMs)
    if (!isActive()) return
    const at = now()
    metrics.set('ForwarderLeading', 1)
    metrics.set('LastEventAge', secondsSince(changedAt, at))
    metrics.set('BookmarkAge', secondsSince(Math.min(at, ...heardAt.values()), at))
    metrics.flush()
  }

  return {
    changed(target) {
      changedAt = now()
      heardAt.set(target, changedAt)
    },
    bookmarked: target => void heardAt.set(target, now()),
    listed(target, { repeated, found }) {
      heardAt.set(target, now())
      if (!repeated) return
      metrics.count('Relists', 1)
      if (found > 0) metrics.count('FoundByRelist', found)
    },
    dropped(kind) {
      for (const target of heardAt.keys()) if (target.kind === kind) heardAt.delete(target)
    },
    leading: () => metrics.count('LeaseChanges', 1),
    beat,
    following: () => metrics.set('ForwarderLeading', 0),
    accepted(changes) {
      const at = now()
      for (const { change } of changes) {
        const madeAt = Date.parse(change.at)
        metrics.observe('EventToMessageLag', Math.max(0, at - madeAt))
        tracer?.record(sendSpan(change, madeAt, at))
      }
    },
    stop: () => timers.clear(timer),
  }
}

/** The span whose identity the message carries: from the verdict to the moment at which the queue has the message. */
function sendSpan(change: ChangeMessage, startedAt: number, endedAt: number): EndedSpan {
  return {
    name: 'send change',
    kind: 'producer',
    identity: parseTraceparent(change.trace),
    startedAt,
    endedAt: Math.max(startedAt, endedAt),
    attributes: {
      'challenge_operator.key': `${change.namespace}/${change.name}`,
      'challenge_operator.uid': change.uid,
      'challenge_operator.cause': change.cause,
      'challenge_operator.kind': change.kind,
    },
  }
}

function secondsSince(before: number, at: number): number {
  return Math.max(0, Math.round((at - before) / 1_000))
}
