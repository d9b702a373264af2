/** How much of everything one run makes. */
export interface Scale {
  /** Creates one after the other. */
  quiet: number
  /** Creates at once. */
  burst: number
  /** Creates and deletions at once where pods come up as well. */
  full: number
  /** Settled instances that a forwarder finds. */
  settled: number
  /** A folder for V8 CPU profiles of the operator. */
  profile: string | undefined
}

/** Says how far a run is. */
export type Progress = (line: string) => void
