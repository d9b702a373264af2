import type { Timers } from '../../abort.ts'
import { clockProblem, followsSource, keptState } from '../../clock/kept.ts'
import { type ClockState, clockName, openClock } from '../../clock/state.ts'
import { noClock } from '../../clock/version.ts'
import type { ConfigMap, GoneObject, Stored } from '../../crd/objects.ts'
import type { Log } from '../../telemetry/log.ts'
import { clockChange } from '../send/outgoing-change.ts'
import type { Sender } from '../send/sender.ts'

/** The organiser's clock, as the watches of its two ConfigMaps report it. */
export interface ClockSight extends SeenClock {
  put(configMap: Stored<ConfigMap>): void
  remove(configMap: GoneObject): void
  /** Sends a message if the state does not follow the organiser's ConfigMap. */
  evaluate(): void
  stop(): void
}

export interface SeenClock {
  /** The last state that was readable. */
  readonly state: ClockState
  /** The version of the state's ConfigMap; `noClock`: there is none. */
  readonly version: string
}

export interface ClockSightOptions {
  sender: Pick<Sender, 'put' | 'withdraw'>
  namespace: string
  isActive: () => boolean
  /** The state is another one. */
  changed: (before: ClockState) => void
  /** Epoch milliseconds. */
  now: () => number
  timers: Timers
  /** A W3C traceparent for a change that starts here. */
  trace: () => string
  log: Log
}

/** A message whose effect does not show is sent again, after a time that doubles. In milliseconds. */
const firstWaitMs = 5_000
const longestWaitMs = 60_000

const subject = 'Clock'

export function createClockSight(options: ClockSightOptions): ClockSight {
  const { sender, namespace, isActive, changed, now, timers, trace, log } = options
  let source: Pick<Stored<ConfigMap>, 'metadata'> | undefined
  let kept: Stored<ConfigMap> | undefined
  let state = openClock
  let version = noClock
  let sent: { of: string; waitMs: number } | undefined
  let timer: unknown

  function see(next: ClockState): void {
    const before = state
    state = next
    if (JSON.stringify(before) === JSON.stringify(next)) return
    log.info("organiser's clock", {
      paused: next.paused,
      lockdown: next.lockdown,
      credits: next.credits.length,
    })
    changed(before)
  }

  function isFollowed(): boolean {
    if (kept === undefined || source === undefined) return kept === source || isKeptWithoutSource()
    return followsSource(kept, source) && (keptState(kept) !== undefined || clockProblem(kept) !== undefined)
  }

  function isKeptWithoutSource(): boolean {
    return kept !== undefined && (followsSource(kept, undefined) || keptState(kept) === undefined)
  }

  function evaluate(): void {
    if (!isActive()) return
    timers.clear(timer)
    if (isFollowed()) {
      if (sent) sender.withdraw(subject)
      sent = undefined
      return
    }
    const { uid = '-', resourceVersion = '' } = source?.metadata ?? {}
    const of = [uid, resourceVersion, kept?.metadata.resourceVersion].join('/')
    const again = sent?.of === of ? sent : undefined
    const at = now()
    const change = clockChange(
      { namespace, name: clockName, uid, resourceVersion },
      { of, at, trace: trace(), repeated: again !== undefined },
    )
    sender.put({ subject, change, urgency: 'first' })
    sent = { of, waitMs: again ? Math.min(again.waitMs * 2, longestWaitMs) : firstWaitMs }
    timer = timers.set(evaluate, sent.waitMs)
  }

  return {
    put(configMap) {
      if (configMap.metadata.name === clockName) source = { metadata: configMap.metadata }
      else {
        kept = configMap
        version = configMap.metadata.resourceVersion
        see(keptState(configMap) ?? state)
      }
      evaluate()
    },
    remove({ metadata: { name, uid } }) {
      if (name === clockName && source?.metadata.uid === uid) source = undefined
      if (name !== clockName && kept?.metadata.uid === uid) kept = undefined
      if (kept === undefined && source === undefined) {
        version = noClock
        see(openClock)
      }
      evaluate()
    },
    evaluate,
    stop: () => timers.clear(timer),
    get state() {
      return state
    },
    get version() {
      return version
    },
  }
}
