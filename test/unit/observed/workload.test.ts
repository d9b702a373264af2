import { describe, expect, test } from 'vitest'
import type { ContainerStatus, Deployment, Pod } from '../../../lib/crd/objects.ts'
import { deploymentDigest } from '../../../lib/observed/deployment.ts'
import { podDigest } from '../../../lib/observed/pod.ts'
import { verdictReflected, workloadVerdict } from '../../../lib/observed/workload.ts'

const now = Date.parse('2026-11-21T09:00:00Z')
const ago = (seconds: number) => new Date(now - seconds * 1000).toISOString()

function deployment(status: Deployment['status'] = {}, replicas = 1): Deployment {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web-7', generation: 2 },
    spec: { replicas, selector: { matchLabels: { app: 'web-7' } }, template: { spec: { containers: [] } } },
    status: { observedGeneration: 2, ...status },
  }
}

const available = deployment({ availableReplicas: 1, updatedReplicas: 1 })

function pod(container: Partial<ContainerStatus>, more: Partial<Pod['status']> = {}, name = 'web-7-x'): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, creationTimestamp: ago(60) },
    status: {
      phase: 'Running',
      containerStatuses: [{ name: 'web-7', ready: false, restartCount: 0, ...container }],
      ...more,
    },
  }
}

const ready = { conditions: [{ type: 'Ready', status: 'True' }] }
const running = (seconds: number) => ({ running: { startedAt: ago(seconds) } })
const exit = (exitCode: number, reason: string) => ({ terminated: { exitCode, reason } })

function verdict(of: Deployment, ...pods: Pod[]) {
  return workloadVerdict(deploymentDigest(of), pods.map(podDigest), now)
}

describe('what does a workload amount to', () => {
  const troubles: [string, Pod, string | undefined, boolean][] = [
    [
      'image cannot be pulled',
      pod({ state: { waiting: { reason: 'ErrImagePull' } } }),
      'ImagePullFailed',
      true,
    ],
    ['pull backs off', pod({ state: { waiting: { reason: 'ImagePullBackOff' } } }), 'ImagePullFailed', true],
    [
      'image name is invalid',
      pod({ state: { waiting: { reason: 'InvalidImageName' } } }),
      'ImageInvalid',
      true,
    ],
    [
      'a Secret is missing',
      pod({ state: { waiting: { reason: 'CreateContainerConfigError' } } }),
      'ConfigInvalid',
      true,
    ],
    [
      'the command does not exist',
      pod({
        restartCount: 2,
        state: { waiting: { reason: 'RunContainerError' } },
        lastState: exit(128, 'StartError'),
      }),
      'ConfigInvalid',
      true,
    ],
    [
      'the command does not exist, between two attempts',
      pod({
        restartCount: 3,
        state: { waiting: { reason: 'CrashLoopBackOff' } },
        lastState: exit(128, 'StartError'),
      }),
      'ConfigInvalid',
      true,
    ],
    ['it crashed once', pod({ restartCount: 1, state: exit(1, 'Error') }), 'CrashLooping', false],
    [
      'it crashed once and the kubelet backs off for a moment',
      pod({
        restartCount: 1,
        state: { waiting: { reason: 'CrashLoopBackOff' } },
        lastState: exit(1, 'Error'),
      }),
      'CrashLooping',
      false,
    ],
    ['it crashes again and again', pod({ restartCount: 4, state: exit(1, 'Error') }), 'CrashLooping', true],
    [
      'it is Ready for a moment between two crashes',
      pod({ ready: true, restartCount: 3, state: running(0.4), lastState: exit(1, 'Error') }, ready),
      'CrashLooping',
      true,
    ],
    [
      'it ran out of memory',
      pod({ ready: true, restartCount: 2, state: running(1), lastState: exit(137, 'OOMKilled') }, ready),
      'OutOfMemory',
      true,
    ],
    [
      'there is no room',
      pod(
        {},
        {
          phase: 'Pending',
          conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable' }],
        },
      ),
      'Unschedulable',
      false,
    ],
    ['it was evicted', pod({}, { phase: 'Failed', reason: 'Evicted' }), 'Evicted', false],
    ['the probe never answers', pod({ state: running(40) }), 'ProbeFailing', false],
    ['the probe has not answered yet', pod({ state: running(3) }), undefined, false],
    [
      'the image is being pulled',
      pod({ state: { waiting: { reason: 'ContainerCreating' } } }),
      undefined,
      false,
    ],
  ]

  test.each(troubles)('when %s', (_, observed, reason, failed) => {
    expect(verdict(deployment(), observed)).toMatchObject({ ready: false, reason, failed })
  })

  test('ready needs the Deployment and its pod to say so', () => {
    const serving = pod({ ready: true, state: running(5) }, ready)
    expect(verdict(available, serving)).toMatchObject({ ready: true, reason: undefined, podName: 'web-7-x' })
    expect(verdict(deployment(), serving).ready).toBe(false)
    expect(verdict(available, pod({ state: running(5) })).ready).toBe(false)
  })

  test('a dead node is believed by its condition, not by the container', () => {
    expect(verdict(available, pod({ ready: true, state: running(900) })).ready).toBe(false)
  })

  test('a container that crashed long ago and has run since is cured', () => {
    const cured = pod(
      { ready: true, restartCount: 5, state: running(600), lastState: exit(1, 'Error') },
      ready,
    )
    expect(verdict(available, cured)).toMatchObject({ ready: true, failed: false })
  })

  test('a cure is due at a time, so that somebody looks again without an event', () => {
    const flapping = pod(
      { ready: true, restartCount: 3, state: running(1), lastState: exit(1, 'Error') },
      ready,
    )
    const { dueAt } = verdict(available, flapping)
    expect(dueAt).toBeGreaterThan(now)
    const later = workloadVerdict(deploymentDigest(available), [podDigest(flapping)], dueAt ?? 0)
    expect(later.ready).toBe(true)
  })

  test('a terminating pod and an evicted one never stand for a healthy one', () => {
    const serving = pod({ ready: true, state: running(5) }, ready, 'web-7-new')
    const evicted = pod({}, { phase: 'Failed', reason: 'Evicted' }, 'web-7-old')
    const killed = pod(exit(137, 'Error') as never, { phase: 'Failed' }, 'web-7-gone')
    killed.metadata.deletionTimestamp = ago(1)
    expect(verdict(available, evicted, serving, killed)).toMatchObject({ ready: true, podName: 'web-7-new' })
  })

  test.each([
    ['exceeded quota: ctf-quota, requested: limits.cpu=1', 'QuotaExceeded', false],
    ['pods "x" is forbidden: violates PodSecurity "baseline:latest"', 'PodSecurityRefused', true],
    ['admission webhook "policy.example" denied the request', 'AdmissionRefused', true],
  ])('a refusal that makes no pod shows by its text: %s', (message, reason, failed) => {
    const refused = deployment({ conditions: [{ type: 'ReplicaFailure', status: 'True', message }] })
    expect(verdict(refused)).toMatchObject({ ready: false, reason, failed })
  })

  test('a deadline without a better reason is the reason', () => {
    const late = deployment({
      conditions: [{ type: 'Progressing', status: 'False', reason: 'ProgressDeadlineExceeded' }],
    })
    expect(verdict(late)).toMatchObject({ failed: true, reason: 'ProgressDeadlineExceeded' })
    expect(verdict(late, pod({ state: running(130) }))).toMatchObject({
      failed: true,
      reason: 'ProbeFailing',
    })
  })

  test('a rollout that the controller has not seen yet does not count as available', () => {
    const behind = deployment({ observedGeneration: 1, availableReplicas: 1, updatedReplicas: 1 })
    expect(verdict(behind, pod({ ready: true, state: running(50) }, ready)).ready).toBe(false)
  })

  test('no replicas wanted is hibernation, not failure', () => {
    expect(verdict(deployment({}, 0))).toMatchObject({ ready: false, failed: false, reason: 'Suspended' })
  })
})

describe('does a status say what the verdict says', () => {
  const serving = { ready: true, failed: false, reason: undefined, podName: 'a', dueAt: undefined }
  const reported = { ready: true, readyReason: 'Available', phase: 'Ready', podName: 'a' }

  test('yes, when nothing differs', () => expect(verdictReflected(reported, serving)).toBe(true))
  test.each([
    ['readiness', { ready: false }],
    ['reason', { readyReason: 'CrashLooping' }],
    ['failure', { phase: 'Failed' }],
    ['pod', { podName: 'b' }],
  ])('no, when the %s differs', (_, difference) => {
    expect(verdictReflected({ ...reported, ...difference }, serving)).toBe(false)
  })
  test('the pod does not matter before it serves', () => {
    const starting = { ...serving, ready: false }
    const said = { ready: false, readyReason: 'Progressing', phase: 'Provisioning', podName: 'b' }
    expect(verdictReflected(said, starting)).toBe(true)
  })
})
