import { sleep, type Timers } from '../../abort.ts'
import type { ElectOptions } from '../../kubernetes/lease/elect.ts'
import type { Sender } from './sender.ts'

/**
 * Milliseconds for which a leader judges and sends on after a successor of its installation has taken the lease in order. The
 * successor judges its whole table first, and its first request takes longer than the next ones: together up to a second at
 * 10,000 instances with a seventh of a processor. Messages of both have the same deduplication ids.
 */
export const lingerMs = 2_000

/** Milliseconds to send what is pending when another forwarder takes over, or at the end. */
export const flushMs = 3_000

type Callbacks = Required<Pick<ElectOptions, 'onLeading' | 'onFollowing' | 'onDoubt' | 'onConfirmed'>>

/** Whether this forwarder may judge and send, as the election says. */
export interface Leadership {
  readonly isLeading: boolean
  /** Whether to judge: it leads, or its successor has only just begun to. */
  readonly isJudging: boolean
  /** Asked before each request, so that a process that was stopped or frozen sends nothing old. */
  maySend(): boolean
  /**
   * Returns what the election calls. A leader that another one follows in order judges on for `lingerMs`, and then sends what
   * is pending. It does not judge on for another installation. One that was away drops what is pending, since the other one has
   * judged everything anew.
   */
  callbacks(parts: LeadershipParts): Callbacks
  /** Resolves when nothing is left to be handed over. */
  handedOver(): Promise<void>
}

export interface LeadershipParts {
  sender: Pick<Sender, 'flushed' | 'clear' | 'interrupt' | 'resume'>
  /** Begins to judge. */
  begin(): void
  /** Judges no more. */
  end(): void
}

export function createLeadership(timers: Timers): Leadership {
  let leading = false
  /** Aborts when the forwarder leads again. */
  let handing = new AbortController()
  let lingers = false
  let isCertain = () => true
  /** By the clock of the process, which goes on while it is stopped. */
  let handsOverUntil = Number.NEGATIVE_INFINITY
  let handingOver: Promise<void> | undefined

  return {
    get isLeading() {
      return leading
    },
    get isJudging() {
      return leading || lingers
    },
    maySend: () => (leading ? isCertain() : performance.now() < handsOverUntil),
    handedOver: async () => handingOver,
    callbacks({ sender, begin, end }) {
      async function handOver({ foreign }: { foreign: boolean }): Promise<void> {
        handsOverUntil = performance.now() + flushMs + (foreign ? 0 : lingerMs)
        const { signal } = handing
        lingers = !foreign
        if (!foreign) await sleep(lingerMs, signal, timers)
        if (signal.aborted) return
        lingers = false
        end()
        // While it is flushed no limit applies, and a forwarder that leads again puts its whole table into the queue.
        await sender.flushed(AbortSignal.any([signal, AbortSignal.timeout(flushMs)]))
        if (!signal.aborted) sender.clear()
      }

      return {
        onLeading(asked) {
          leading = true
          isCertain = asked
          lingers = false
          handing.abort()
          begin()
        },
        onFollowing({ inOrder, foreign }) {
          leading = false
          handing = new AbortController()
          if (inOrder) {
            handingOver = handOver({ foreign })
            return
          }
          end()
          sender.clear()
        },
        onDoubt: () => sender.interrupt(),
        onConfirmed: () => sender.resume(),
      }
    },
  }
}
