/**
 * How an instance leaves a reason again.
 *
 * - `on-change`: a change of the object that the reason names wakes the instance. No timer is set.
 * - `watched`: the forwarder watches the workload and wakes the instance.
 * - `recheck`: no watch covers the cause (quotas, admission rules, rights). A timer wakes the instance after 30 s to
 *   5 minutes, without a limit on attempts.
 * - `dated`: a timer wakes the instance at a known date.
 * - `moment`: the cause passes within moments. A timer wakes the instance after 1 s.
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

/**
 * The one vocabulary of reasons: condition, log, metric, event and HTTP problem use these words and no others.
 * A reason says what is wrong, never which part reported it.
 */
export const reasons = {
  TemplateMissing: {
    sentence: 'The template of this challenge does not exist; the instance follows as soon as it does.',
    recovery: 'on-change',
    examinedBy: 'full',
    scope: 'template',
    whileStalled: 'Pending',
  },
  TemplateInvalid: {
    sentence: 'The template of this challenge cannot be used as it is; its author needs to correct it.',
    recovery: 'on-change',
    examinedBy: 'full',
    scope: 'template',
    whileStalled: 'Failed',
  },
  NameInvalid: {
    sentence: 'The name of this instance cannot name a Service; create it again under another name.',
    recovery: 'on-change',
    examinedBy: 'full',
    scope: 'instance',
    whileStalled: 'Failed',
  },
  NameTaken: {
    sentence: 'Something else already uses the name of this instance.',
    recovery: 'recheck',
    examinedBy: 'full',
    scope: 'instance',
    whileStalled: 'Failed',
  },
  EnvInvalid: {
    sentence: 'The settings given for this instance do not fit the challenge.',
    recovery: 'on-change',
    examinedBy: 'full',
    scope: 'instance',
    whileStalled: 'Failed',
  },
  FlagSecretMissing: {
    sentence: 'The secret that flags are made from is not configured; the organisers need to set it.',
    recovery: 'recheck',
    examinedBy: 'full',
    scope: 'template',
    whileStalled: 'Failed',
  },
  QuotaExceeded: {
    sentence: 'There is no room left in the quota; the challenge starts as soon as some is freed.',
    recovery: 'recheck',
    examinedBy: 'both',
    scope: 'cluster',
    whileStalled: 'Failed',
  },
  PodSecurityRefused: {
    sentence:
      'The security rules of the cluster refuse this challenge; its author needs to correct the template.',
    recovery: 'recheck',
    examinedBy: 'both',
    scope: 'cluster',
    whileStalled: 'Failed',
  },
  AdmissionRefused: {
    sentence:
      'An admission rule of the cluster refuses this challenge; its author needs to correct the template.',
    recovery: 'recheck',
    examinedBy: 'both',
    scope: 'cluster',
    whileStalled: 'Failed',
  },
  Forbidden: {
    sentence: 'The operator lacks a right in the cluster; the organisers need to grant it.',
    recovery: 'recheck',
    examinedBy: 'full',
    scope: 'cluster',
    whileStalled: 'Failed',
  },
  NotYetAvailable: {
    sentence: 'This challenge is not open yet.',
    recovery: 'dated',
    examinedBy: 'full',
    scope: 'template',
    whileStalled: 'Pending',
  },
  Unschedulable: {
    sentence: 'The cluster has no room for this challenge at the moment; it starts as soon as there is some.',
    recovery: 'watched',
    examinedBy: 'look',
    scope: 'cluster',
    whileStalled: 'Failed',
  },
  ImagePullFailed: {
    sentence:
      'The image of this challenge cannot be pulled; the organisers need to check its name and registry.',
    recovery: 'watched',
    examinedBy: 'look',
    scope: 'template',
    whileStalled: 'Failed',
  },
  ImageInvalid: {
    sentence: 'The image of this challenge has an invalid name; its author needs to correct the template.',
    recovery: 'watched',
    examinedBy: 'look',
    scope: 'template',
    whileStalled: 'Failed',
  },
  ConfigInvalid: {
    sentence:
      'The container of this challenge cannot be started as configured; its author needs to correct the template.',
    recovery: 'watched',
    examinedBy: 'both',
    scope: 'template',
    whileStalled: 'Failed',
  },
  CrashLooping: {
    sentence: 'The challenge keeps crashing and is being restarted.',
    recovery: 'watched',
    examinedBy: 'look',
    scope: 'template',
    whileStalled: 'Failed',
  },
  OutOfMemory: {
    sentence: 'The challenge used more memory than it may and is being restarted.',
    recovery: 'watched',
    examinedBy: 'look',
    scope: 'template',
    whileStalled: 'Failed',
  },
  Evicted: {
    sentence: 'The challenge was moved off its node and is being started again.',
    recovery: 'watched',
    examinedBy: 'look',
    scope: 'cluster',
    whileStalled: 'Failed',
  },
  ProbeFailing: {
    sentence: 'The challenge is running but does not answer its readiness probe.',
    recovery: 'watched',
    examinedBy: 'look',
    scope: 'template',
    whileStalled: 'Failed',
  },
  ProgressDeadlineExceeded: {
    sentence: 'The challenge did not become ready in time.',
    recovery: 'watched',
    examinedBy: 'look',
    scope: 'template',
    whileStalled: 'Failed',
  },
  /** Not in this release. */
  RolloutWaiting: {
    sentence: 'A newer version of this challenge waits for its turn.',
    recovery: 'watched',
    examinedBy: 'full',
    scope: 'template',
    whileStalled: 'Failed',
  },
  ChallengeUnknown: {
    sentence: 'The platform has no challenge of this name.',
    recovery: 'recheck',
    examinedBy: 'full',
    scope: 'platform',
    whileStalled: 'Failed',
  },
  TeamUnknown: {
    sentence: 'The platform has no such team.',
    recovery: 'recheck',
    examinedBy: 'full',
    scope: 'platform',
    whileStalled: 'Failed',
  },
  PlatformTablesMissing: {
    sentence: "The platform's tables cannot be written.",
    recovery: 'recheck',
    examinedBy: 'full',
    scope: 'platform',
    whileStalled: 'Failed',
  },
  UrlTooLong: {
    sentence: 'The address is too long for the platform; its row is kept without it.',
    recovery: 'on-change',
    examinedBy: 'full',
    scope: 'platform',
    whileStalled: 'Failed',
  },
  DatabaseUnavailable: {
    sentence: 'The database does not answer; its row follows as soon as it does.',
    recovery: 'outage',
    examinedBy: 'full',
    scope: 'operator',
    whileStalled: 'Failed',
  },
  ClusterUnavailable: {
    sentence: 'The cluster does not answer; the work goes on as soon as it does.',
    recovery: 'outage',
    examinedBy: 'full',
    scope: 'cluster',
    whileStalled: 'Failed',
  },
  SchemaOutdated: {
    sentence: 'The installed CRDs are older than this operator.',
    recovery: 'recheck',
    examinedBy: 'full',
    scope: 'cluster',
    whileStalled: 'Failed',
  },
  Paused: {
    sentence: 'The operator does not touch this instance while it is paused.',
    recovery: 'on-change',
    examinedBy: 'look',
    scope: 'instance',
    whileStalled: 'Pending',
  },
  Suspended: {
    sentence: 'The challenge is hibernated.',
    recovery: 'on-change',
    examinedBy: 'look',
    scope: 'instance',
    whileStalled: 'Failed',
  },
  /** Not in this release. */
  Idle: {
    sentence: 'The challenge is hibernated because nobody used it.',
    recovery: 'on-change',
    examinedBy: 'look',
    scope: 'instance',
    whileStalled: 'Failed',
  },
  Expired: {
    sentence: 'The time of this instance is over.',
    recovery: 'none',
    examinedBy: 'full',
    scope: 'instance',
    whileStalled: 'Failed',
  },
  Terminating: {
    sentence: 'The challenge is being shut down.',
    recovery: 'moment',
    examinedBy: 'full',
    scope: 'instance',
    whileStalled: 'Failed',
  },
  NamespaceStuck: {
    sentence: 'The namespace of this instance is being deleted.',
    recovery: 'recheck',
    examinedBy: 'full',
    scope: 'cluster',
    whileStalled: 'Failed',
  },
  ForeignFinalizer: {
    sentence: 'A finalizer that is not ours delays the deletion of this instance.',
    recovery: 'sweep',
    examinedBy: 'full',
    scope: 'instance',
    whileStalled: 'Failed',
  },
  Internal: {
    sentence: 'Something unexpected went wrong; the log of the operator has the details.',
    recovery: 'retry',
    examinedBy: 'full',
    scope: 'operator',
    whileStalled: 'Failed',
  },
} as const satisfies Record<string, ReasonPolicy>

export type Reason = keyof typeof reasons

/** The reasons why the platform's row could not be written. */
export type PlatformProblem = {
  [R in Reason]: (typeof reasons)[R]['scope'] extends 'platform' ? R : never
}[Reason]

/** Whether a failure for this reason uses up one of the attempts of a pass. */
export function countsAsAttempt(reason: Reason): boolean {
  return reasons[reason].recovery !== 'outage'
}

/** @param reason the reason of a status, which another release may have written */
export function isReason(reason: string): reason is Reason {
  return Object.hasOwn(reasons, reason)
}

/** Whether an instance with this reason in its status waits for a timer, so that a lost timer leaves it behind. */
export function waitsForTimer(reason: string): boolean {
  return isReason(reason) && timed.has(reasons[reason].recovery)
}

/** Whether a stall for this reason counts against the roll-out of the instance's template. */
export function countsAgainstRollout(reason: string): boolean {
  return !isReason(reason) || reasons[reason].scope !== 'instance'
}

/** Whether a call that failed for this reason succeeds again without a change of rights, schema or configuration. */
export function passesByItself(reason: Reason): boolean {
  return passing.has(reasons[reason].recovery)
}

const timed: ReadonlySet<Recovery> = new Set<Recovery>(['recheck', 'dated', 'moment'])
const passing: ReadonlySet<Recovery> = new Set<Recovery>(['outage', 'retry', 'moment'])
