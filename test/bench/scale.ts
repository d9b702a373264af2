import type { Sample } from './sample.ts'

/** The number of instances in each scenario of one run, and what they are. */
export interface Scale {
  /** Creations one after the other. */
  quiet: number
  /** Creations at once. */
  burst: number
  /** Creations and deletions at once, with pods that start. */
  full: number
  /** Ready instances that a starting forwarder finds. */
  ready: number
  /** Folder for V8 CPU profiles of the operator. */
  profile: string | undefined
  /** API server and etcd run on a core of their own. */
  pinned: boolean
  sample: Sample
}

/** Prints the progress of a run. */
export type Progress = (line: string) => void
