/** An image of this host is no program but a way to fail: `trouble.example/<name>`, with any tag. */
export const troubleHost = 'trouble.example'

/** One look at a troubled container, as a kubelet would report it. */
export interface Frame {
  /** The container's state before: absent for a new pod, else `running` or what is waiting or terminated for which reason. */
  after?: string
  delayMs: number
  phase: 'Pending' | 'Running' | 'Failed'
  ready?: true
  state: { running: true } | { waiting: Stated } | { terminated: Stated & { exitCode: number } }
  /** The kubelet makes a new container, so `restartCount` grows. */
  restarts?: true
  /** What the previous container ended with, where this frame is the first to tell; later frames keep it. */
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
 * What a kubelet shows for each trouble: the same states in the same order as a real one (1.36, real containers); its
 * pauses between restarts and pulls, 8 to 50 s there, are some seconds here, so that a test need not wait for them.
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
  // Ready for a moment at each restart, and in back-off for a moment only: mostly it is just terminated.
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
  // Healthy, but takes its time to die: Ready for 2 s after its deletion, Failed for another (see stages/pod.yaml).
  'slow-stop': [{ delayMs: 100, phase: 'Running', ready: true, state: running }],
}
