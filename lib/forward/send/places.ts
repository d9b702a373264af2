/** How many messages of one urgency may be on their way. */
export interface Places {
  readonly number: number
  /** The effect of a message was seen so many milliseconds after it was sent. `at`: epoch milliseconds. */
  effectSeen(afterMs: number, seen: { taken: number; at: number }): void
  /** A message was waited for so many milliseconds, in vain. @param at epoch milliseconds */
  effectMissed(afterMs: number, at: number): void
}

export function fixedPlaces(number: number): Places {
  return { number, effectSeen() {}, effectMissed() {} }
}

/** Twenty functions with ten messages each: the queue hands out that many at once. */
const firstPlaces = 200

/** Two requests. An API server that answers anything marks that many in a second. */
const fewestPlaces = 20
/** More than an API server of one machine marks in two seconds. */
const mostPlaces = 2_000

/**
 * How long effects may take, in milliseconds. Messages beyond it wait in the queue of SQS, where nothing that is more urgent
 * or sooner due passes them.
 */
const aimMs = 1_000
const lateMs = 2 * aimMs
const shrinkBy = 0.7

/**
 * Places that follow what the cluster takes, as TCP finds the rate of a link. Each effect that comes soon makes a place more,
 * while the places are in use. Effects that are late make them fewer, once in the time that they take: only the next ones
 * show what that did. So as many messages are under way as take effect in one to two seconds, whether the API server is slow,
 * asks for pauses (429), or has room.
 */
export function adaptivePlaces(): Places {
  let places = firstPlaces
  let shrunkAt = Number.NEGATIVE_INFINITY

  function shrink(afterMs: number, at: number): void {
    if (at < shrunkAt + afterMs) return
    shrunkAt = at
    places = Math.max(fewestPlaces, Math.floor(places * shrinkBy))
  }

  return {
    get number() {
      return places
    },
    effectSeen(afterMs, { taken, at }) {
      if (afterMs > lateMs) shrink(afterMs, at)
      else if (afterMs <= aimMs && taken > places / 2) places = Math.min(mostPlaces, places + 1)
    },
    effectMissed: shrink,
  }
}
