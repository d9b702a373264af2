import type { ReasonPolicy } from './reason-policy.ts'

/** The reasons that a Deployment and its pods give. They are a part of `reasons`. */
export const workloadReasons = {
  Unschedulable: {
    sentence: 'No node of the cluster takes this challenge at the moment; it starts as soon as one does.',
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
    examinedBy: 'look',
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
  NodeLost: {
    sentence: 'The node of the challenge does not answer; it starts again on another one as soon as it can.',
    recovery: 'watched',
    examinedBy: 'both',
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
  Flapping: {
    sentence: 'The challenge keeps going up and down, so its state is told at growing distances.',
    recovery: 'watched',
    examinedBy: 'look',
    scope: 'template',
    whileStalled: 'Failed',
  },
} as const satisfies Record<string, ReasonPolicy>
