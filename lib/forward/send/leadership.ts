import type { ElectOptions } from '../../kubernetes/lease/elect.ts'
import type { Sender } from './sender.ts'

/** Milliseconds to send what is pending when another forwarder takes over, or at the end. */
export const flushMs = 3_000

type Callbacks = Required<Pick<ElectOptions, 'onLeading' | 'onFollowing' | 'onDoubt' | 'onConfirmed'>>

/** Whether this forwarder may judge and send, as the election says. */
export interface Leadership {
  readonly isLeading: boolean
  /** Asked before each request, so that a process that was stopped or frozen sends nothing old. */
  maySend(): boolean
  /**
   * Returns what the election calls. A leader that another one follows in order sends what is pending; one that was away
   * drops it, since the other one has judged everything anew.
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

export function createLeadership(): Leadership {
  let leading = false
  let isCertain = () => true
  /** By the clock of the process, which goes on while it is stopped. */
  let handsOverUntil = Number.NEGATIVE_INFINITY
  let handingOver: Promise<void> | undefined

  return {
    get isLeading() {
      return leading
    },
    maySend: () => (leading ? isCertain() : performance.now() < handsOverUntil),
    handedOver: async () => handingOver,
    callbacks({ sender, begin, end }) {
      async function handOver(): Promise<void> {
        handsOverUntil = performance.now() + flushMs
        await sender.flushed(AbortSignal.timeout(flushMs))
        if (!leading) sender.clear()
      }

      return {
        onLeading(asked) {
          leading = true
          isCertain = asked
          begin()
        },
        onFollowing({ inOrder }) {
          leading = false
          end()
          if (inOrder) handingOver = handOver()
          else sender.clear()
        },
        onDoubt: () => sender.interrupt(),
        onConfirmed: () => sender.resume(),
      }
    },
  }
}
