/** Stands for the version of the state of a clock that nobody has set. It is older than every version. */
export const noClock = 'none'

/** The version of the clock's state that the sender of a message knew, and when. */
export interface ClockStamp {
  version: string
  /** RFC 3339. */
  at: string
}

/** Returns the stamp of a message. */
export function clockStamp({ clock, at }: { clock?: string; at: string }): ClockStamp | undefined {
  return clock === undefined ? undefined : { version: clock, at }
}

/** Whether a version of the state is newer than another one. Versions of one API server are decimal numbers that grow. */
export function isNewerClock(version: string, than: string): boolean {
  if (version === than || version === noClock) return false
  if (than === noClock || version.length !== than.length)
    return than === noClock || version.length > than.length
  return version > than
}
