/** Host of images that name a way to fail: `trouble.example/<name>`, with any tag. */
export const troubleHost = 'trouble.example'

/** One state of a failing container, as a kubelet reports it. */
export interface Frame {
  /** The state before: `running`, or the reason of a waiting or terminated container. Absent for a new pod. */
  after?: string
  delayMs: number
  phase: 'Pending' | 'Running' | 'Failed'
  ready?: true
  state: { running: true } | { waiting: Stated } | { terminated: Stated & { exitCode: number } }
  /** The kubelet makes a new container, so `restartCount` grows. */
  restarts?: true
  /** How the previous container ended. Only the first frame that shows it has it; later frames keep it. */
  lastEnd?: Stated & { exitCode: number }
  /** The pod's own reason and message. */
  pod?: Stated
}

interface Stated {
  reason: string
  message?: string
}

const backOff = { reason: 'CrashLoopBackOff', message: 'back-off restarting failed container' }
const running = { running: true } as const
const pullError = { reason: 'ErrImagePull', message: 'failed to pull and unpack image: not found' }
const pullBackOff = { reason: 'ImagePullBackOff', message: 'Back-off pulling image' }
const startError = { exitCode: 128, reason: 'StartError', message: 'exec: no such file or directory' }
const runError = { reason: 'RunContainerError', message: 'exec: no such file or directory' }

/**
 * The states of each trouble, in the order in which a kubelet 1.36 showed them for real containers. The pauses between
 * restarts and pulls, 8 to 50 s with a kubelet, are a few seconds here, so that tests are quick.
 */
export const troubles: Readonly<Record<string, readonly Frame[]>> = {
  'image-pull': [
    { delayMs: 300, phase: 'Pending', state: { waiting: pullError } },
    { after: 'ErrImagePull', delayMs: 2_000, phase: 'Pending', state: { waiting: pullBackOff } },
    { after: 'ImagePullBackOff', delayMs: 2_000, phase: 'Pending', state: { waiting: pullError } },
  ],
  'invalid-image': [
    {
      delayMs: 100,
      phase: 'Pending',
      state: { waiting: { reason: 'InvalidImageName', message: 'couldn’t parse image name' } },
    },
  ],
  'config-error': [
    {
      delayMs: 500,
      phase: 'Pending',
      state: { waiting: { reason: 'CreateContainerConfigError', message: 'secret "missing" not found' } },
    },
  ],
  // The container is Ready for a moment at each restart, in back-off for a moment, and terminated most of the time.
  'crash-loop': [
    { delayMs: 100, phase: 'Running', ready: true, state: running },
    {
      after: 'running',
      delayMs: 400,
      phase: 'Running',
      state: { terminated: { exitCode: 1, reason: 'Error' } },
    },
    {
      after: 'Error',
      delayMs: 1_500,
      phase: 'Running',
      state: { waiting: backOff },
      lastEnd: { exitCode: 1, reason: 'Error' },
    },
    {
      after: 'CrashLoopBackOff',
      delayMs: 150,
      phase: 'Running',
      ready: true,
      state: running,
      restarts: true,
    },
  ],
  oom: [
    { delayMs: 100, phase: 'Running', ready: true, state: running },
    {
      after: 'running',
      delayMs: 500,
      phase: 'Running',
      state: { terminated: { exitCode: 137, reason: 'OOMKilled' } },
    },
    {
      after: 'OOMKilled',
      delayMs: 600,
      phase: 'Running',
      state: { waiting: backOff },
      lastEnd: { exitCode: 137, reason: 'OOMKilled' },
    },
    {
      after: 'CrashLoopBackOff',
      delayMs: 2_000,
      phase: 'Running',
      ready: true,
      state: running,
      restarts: true,
    },
  ],
  'bad-command': [
    { delayMs: 200, phase: 'Running', state: { waiting: runError }, lastEnd: startError },
    { after: 'RunContainerError', delayMs: 1_000, phase: 'Running', state: { waiting: backOff } },
    {
      after: 'CrashLoopBackOff',
      delayMs: 2_000,
      phase: 'Running',
      state: { waiting: runError },
      restarts: true,
      lastEnd: startError,
    },
  ],
  'never-ready': [{ delayMs: 100, phase: 'Running', state: running }],
  'slow-start': [
    { delayMs: 50, phase: 'Pending', state: { waiting: { reason: 'ContainerCreating' } } },
    { after: 'ContainerCreating', delayMs: 3_000, phase: 'Running', ready: true, state: running },
  ],
  evicted: [
    { delayMs: 100, phase: 'Running', ready: true, state: running },
    {
      after: 'running',
      delayMs: 3_000,
      phase: 'Failed',
      state: { terminated: { exitCode: 137, reason: 'Error' } },
      pod: {
        reason: 'Evicted',
        message: 'Pod ephemeral local storage usage exceeds the total limit of containers.',
      },
    },
  ],
  // A healthy pod that ends slowly: Ready for 2 s after its deletion, then Failed for 1 s (see stages/pod.yaml).
  'slow-stop': [{ delayMs: 100, phase: 'Running', ready: true, state: running }],
}
