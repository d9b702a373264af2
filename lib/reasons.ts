import type { ReasonPolicy } from './reason-policy.ts'
import { workloadReasons } from './workload-reasons.ts'

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
  DateInvalid: {
    sentence: 'The end given for this instance is no date; its owner needs to correct it.',
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
  FlagSecretRefused: {
    sentence: 'The secret of this challenge may not be used for flags; its author needs to name another one.',
    recovery: 'recheck',
    examinedBy: 'full',
    scope: 'template',
    whileStalled: 'Failed',
  },
  PullSecretUnusable: {
    sentence: 'An image secret of this challenge is missing or wrong; the organisers need to set it.',
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
  Contested: {
    sentence: 'Something else in the cluster keeps changing the objects of this challenge.',
    recovery: 'watched',
    examinedBy: 'full',
    scope: 'instance',
    whileStalled: 'Failed',
  },
  NotYetAvailable: {
    sentence: 'This challenge is not open yet.',
    recovery: 'dated',
    examinedBy: 'full',
    scope: 'template',
    whileStalled: 'Pending',
  },
  ...workloadReasons,
  RolloutWaiting: {
    sentence: 'A newer version of this challenge waits for its turn.',
    recovery: 'turn',
    examinedBy: 'full',
    scope: 'template',
    whileStalled: 'Failed',
  },
  RouteRejected: {
    sentence: 'The route to this challenge is refused; the organisers need to check their Gateway.',
    recovery: 'watched',
    examinedBy: 'look',
    scope: 'cluster',
    whileStalled: 'Failed',
  },
  AddressPending: {
    sentence: 'This challenge waits for the address under which players reach it.',
    recovery: 'watched',
    examinedBy: 'look',
    scope: 'cluster',
    whileStalled: 'Failed',
  },
  HostTaken: {
    sentence: 'Another instance has the host of this challenge.',
    recovery: 'recheck',
    examinedBy: 'look',
    scope: 'instance',
    whileStalled: 'Failed',
  },
  ExposureUnsupported: {
    sentence:
      'The cluster cannot expose this challenge as its template asks; the organisers need to set it up.',
    recovery: 'recheck',
    examinedBy: 'look',
    scope: 'cluster',
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
  OperatorMisconfigured: {
    sentence: 'The operator is not configured as it needs to be; the organisers need to correct it.',
    recovery: 'recheck',
    examinedBy: 'full',
    scope: 'operator',
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
  Queued: {
    sentence: 'There is no room for this challenge yet; it starts by itself as soon as there is.',
    recovery: 'recheck',
    examinedBy: 'full',
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
  Idle: {
    sentence: 'The challenge is hibernated because nobody used it.',
    recovery: 'on-change',
    examinedBy: 'look',
    scope: 'instance',
    whileStalled: 'Failed',
  },
  NoActivitySource: {
    sentence:
      'Nothing tells when players use this challenge, so it is never hibernated; the organisers may wire their proxy.',
    recovery: 'on-change',
    examinedBy: 'look',
    scope: 'cluster',
    whileStalled: 'Failed',
  },
  Expired: {
    sentence: 'The time of this instance is over.',
    recovery: 'none',
    examinedBy: 'full',
    scope: 'instance',
    whileStalled: 'Failed',
  },
  ClusterLost: {
    sentence: 'The cluster of this instance is gone.',
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
    recovery: 'moment',
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
