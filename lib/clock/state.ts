/** Minutes that an organiser gives to instances, or takes from them. */
export interface Credit {
  id: string
  /** May be negative. */
  minutes: number
  /** When the credit was given, in epoch milliseconds. It counts for every instance that existed then. */
  at: number
  /** Only instances of this event, template or team; undefined: of all. */
  event?: number
  template?: string
  team?: number
}

/** The organiser's clock, as all functions act on it. */
export interface ClockState {
  /** Nothing is created, changed, ended or hibernated. */
  paused: boolean
  /** No instance is reached, and none reaches anything. */
  lockdown: boolean
  /** Each id once. */
  credits: readonly Credit[]
}

/** What the ConfigMap of an organiser says. `credits` are undefined if it says nothing of them: they stay as they are. */
export interface ClockOrder extends Omit<ClockState, 'credits'> {
  credits: readonly Credit[] | undefined
}

/** The clock of a cluster in which nobody has set anything. */
export const openClock: ClockState = { paused: false, lockdown: false, credits: [] }

/** The ConfigMap that organisers write. */
export const clockName = 'challenge-operator'
/** The ConfigMap in which the operator keeps the last valid state. */
export const clockStateName = 'challenge-operator-clock'

/** Returns the state after an order. Only an explicit list takes credits away. */
export function stateAfter({ paused, lockdown, credits }: ClockOrder, before: ClockState): ClockState {
  return { paused, lockdown, credits: credits ?? before.credits }
}
