/**
 * How an instance leaves a reason again.
 *
 * - `on-change`: a change of the object that the reason names wakes the instance. No timer is set.
 * - `watched`: the forwarder watches the workload and wakes the instance.
 * - `turn`: the forwarder wakes the instance when its turn comes. Nothing is wrong with it, and no timer is set.
 * - `recheck`: no watch covers the cause (quotas, admission rules, rights). A timer wakes the instance after 30 s to
 *   5 minutes, without a limit on attempts.
 * - `dated`: the forwarder's clock wakes the instance at a date in its status, as it does at its end. No timer is set.
 * - `moment`: the cause passes within moments. A timer wakes the instance after 1 s, and later like `recheck`.
 * - `outage`: the cluster or the database is away. A timer wakes the instance after 2 s to 1 minute. An outage says
 *   nothing about the instance, so it uses up no attempt, however long it lasts.
 * - `retry`: a failure that counts as an attempt. A timer wakes the instance after 1 s to 5 minutes, and the eighth
 *   failure in a row goes to the dead letters.
 * - `sweep`: the sweep wakes the instance.
 * - `none`: the end of an instance.
 */
export type Recovery =
  | 'on-change'
  | 'watched'
  | 'turn'
  | 'recheck'
  | 'dated'
  | 'moment'
  | 'outage'
  | 'retry'
  | 'sweep'
  | 'none'

/** What follows from a reason. Every field is required, so that a new reason cannot get a policy by accident. */
export interface ReasonPolicy {
  /** For a player or organiser: what is going on, and who can do what about it. */
  sentence: string
  recovery: Recovery
  /**
   * Which passes find out whether the reason still holds. A pass keeps a reason that it does not examine.
   *
   * - `full`: a pass that reads the template and applies the children.
   * - `look`: every pass, also one that only looks at the workload.
   * - `both`: `look` where the workload reports it, `full` where a call of the pass was refused.
   */
  examinedBy: 'full' | 'look' | 'both'
  /**
   * What the reason is about.
   *
   * - `instance`: this instance alone. It says nothing about the template, so it does not count against its roll-out.
   * - `template`, `cluster`: other instances may have the same reason.
   * - `platform`: the platform's row could not be written, while our own row was.
   * - `operator`: the operator's own database or code.
   */
  scope: 'instance' | 'template' | 'cluster' | 'platform' | 'operator'
  /** The phase of a stalled instance without a workload. `Pending`: nothing is wrong with the instance itself. */
  whileStalled: 'Pending' | 'Failed'
}
