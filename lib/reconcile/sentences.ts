import type { Reason } from '../errors.ts'

/** One sentence for a player or organiser: what is going on, and who can do what about it. */
export const sentences: Record<Reason, string> = {
  TemplateMissing: 'The template of this challenge does not exist; the instance follows as soon as it does.',
  TemplateInvalid: 'The template of this challenge cannot be used as it is; its author needs to mend it.',
  NameInvalid: 'The name of this instance cannot name a Service; create it again under another name.',
  NameTaken: 'Something else already uses the name of this instance.',
  EnvInvalid: 'The settings given for this instance do not fit the challenge.',
  FlagSecretMissing: 'The secret that flags are made from is not configured; the organisers need to set it.',
  QuotaExceeded: 'There is no room left in the quota; the challenge starts as soon as some is freed.',
  PodSecurityRefused:
    'The security rules of the cluster refuse this challenge; its author needs to mend the template.',
  AdmissionRefused:
    'An admission rule of the cluster refuses this challenge; its author needs to mend the template.',
  Forbidden: 'The operator lacks a right in the cluster; the organisers need to grant it.',
  NotYetAvailable: 'This challenge is not open yet.',
  Unschedulable:
    'The cluster has no room for this challenge at the moment; it starts as soon as there is some.',
  ImagePullFailed:
    'The image of this challenge cannot be pulled; the organisers need to check its name and registry.',
  ImageInvalid: 'The image of this challenge has an invalid name; its author needs to mend the template.',
  ConfigInvalid:
    'The container of this challenge cannot be started as configured; its author needs to mend the template.',
  CrashLooping: 'The challenge keeps crashing and is being restarted.',
  OutOfMemory: 'The challenge used more memory than it may and is being restarted.',
  Evicted: 'The challenge was moved off its node and is being started again.',
  ProbeFailing: 'The challenge is running but does not answer its readiness probe.',
  ProgressDeadlineExceeded: 'The challenge did not become ready in time.',
  RolloutWaiting: 'A newer version of this challenge waits for its turn.',
  ChallengeUnknown: 'The platform has no challenge of this name.',
  TeamUnknown: 'The platform has no such team.',
  PlatformTablesMissing: "The platform's tables cannot be written.",
  UrlTooLong: 'The address is too long for the platform; its row is kept without it.',
  DatabaseUnavailable: 'The database does not answer; its row follows as soon as it does.',
  ClusterUnavailable: 'The cluster does not answer; the work goes on as soon as it does.',
  SchemaOutdated: 'The installed CRDs are older than this operator.',
  Paused: 'The operator keeps its hands off this instance while it is paused.',
  Suspended: 'The challenge is hibernated.',
  Idle: 'The challenge is hibernated because nobody used it.',
  Expired: 'The time of this instance is over.',
  Terminating: 'The challenge is being shut down.',
  NamespaceStuck: 'The namespace of this instance is being deleted.',
  ForeignFinalizer: 'Something other than the operator holds this instance back.',
  Internal: 'Something unexpected went wrong; the operator tries again.',
}

export const servingSentence = 'The challenge is running.'
export const underWaySentence = 'The challenge is starting.'
