import { describe, expect, it } from 'vitest'
import type { ContainerStatus, Deployment, Pod, Stored } from '../../../lib/crd/objects.ts'
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

function pod(
  container: Partial<ContainerStatus>,
  more: Partial<Pod['status']> = {},
  name = 'web-7-x',
): Stored<Pod> {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'ctf', uid: name, resourceVersion: '1', creationTimestamp: ago(60) },
    status: {
      phase: 'Running',
      containerStatuses: [{ name: 'web-7', ready: false, restartCount: 0, ...container }],
      ...more,
    },
  }
}

const ready = { conditions: [{ type: 'Ready', status: 'True' }] }
const running = (seconds: number) => ({ running: { startedAt: ago(seconds) } })
/** Its first probe comes after 300 s. */
const slowContainer = {
  name: 'web-7',
  image: 'web',
  readinessProbe: { tcpSocket: { port: 8080 }, initialDelaySeconds: 300, periodSeconds: 10 },
}
const exit = (exitCode: number, reason: string) => ({ terminated: { exitCode, reason } })

function verdict(of: Deployment, ...pods: Stored<Pod>[]) {
  return workloadVerdict(deploymentDigest(of), pods.map(podDigest), now)
}

describe('a Deployment whose namespace has no ServiceAccount yet', () => {
  const words =
    'pods "web-7-" is forbidden: error looking up service account n/default: serviceaccount "default" not found'
  const refused = (age: number) => {
    const of = deployment({ conditions: [{ type: 'ReplicaFailure', status: 'True', message: words }] })
    return { ...of, metadata: { ...of.metadata, creationTimestamp: ago(age) } }
  }

  it('is under way for 30 s, and judged again then', () => {
    const found = verdict(refused(10))
    expect(found).toMatchObject({ failed: false, reason: undefined, dueAt: now + 20_000 })
  })

  it('is refused afterwards', () => {
    expect(verdict(refused(30))).toMatchObject({ failed: true, reason: 'AdmissionRefused' })
  })
})

describe('workloadVerdict', () => {
  const troubles: [string, Stored<Pod>, string | undefined, boolean][] = [
    [
      'the image cannot be pulled',
      pod({ state: { waiting: { reason: 'ErrImagePull' } } }),
      'ImagePullFailed',
      true,
    ],
    [
      'the kubelet backs off from pulling the image',
      pod({ state: { waiting: { reason: 'ImagePullBackOff' } } }),
      'ImagePullFailed',
      true,
    ],
    [
      'the image name is invalid',
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
    ['the container crashed once', pod({ restartCount: 1, state: exit(1, 'Error') }), 'CrashLooping', false],
    [
      'the container crashed once and the kubelet backs off for a moment',
      pod({
        restartCount: 1,
        state: { waiting: { reason: 'CrashLoopBackOff' } },
        lastState: exit(1, 'Error'),
      }),
      'CrashLooping',
      false,
    ],
    [
      'the container crashes again and again',
      pod({ restartCount: 4, state: exit(1, 'Error') }),
      'CrashLooping',
      true,
    ],
    [
      'the pod is Ready for a moment between two crashes',
      pod({ ready: true, restartCount: 3, state: running(0.4), lastState: exit(1, 'Error') }, ready),
      'CrashLooping',
      true,
    ],
    [
      'the container ran out of memory',
      pod({ ready: true, restartCount: 2, state: running(1), lastState: exit(137, 'OOMKilled') }, ready),
      'OutOfMemory',
      true,
    ],
    [
      'no node has room',
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
    ['the pod was evicted', pod({}, { phase: 'Failed', reason: 'Evicted' }), 'Evicted', false],
    ['the probe never answers', pod({ state: running(40) }), 'ProbeFailing', false],
    ['the probe has not answered yet', pod({ state: running(3) }), undefined, false],
    [
      'the image is being pulled',
      pod({ state: { waiting: { reason: 'ContainerCreating' } } }),
      undefined,
      false,
    ],
  ]

  it.each(troubles)('finds the trouble: %s', (_, observed, reason, failed) => {
    expect(verdict(deployment(), observed)).toMatchObject({ ready: false, reason, failed })
  })

  it('is ready only if the Deployment is available and its pod is Ready', () => {
    const serving = pod({ ready: true, state: running(5) }, ready)
    expect(verdict(available, serving)).toMatchObject({ ready: true, reason: undefined, podName: 'web-7-x' })
    expect(verdict(deployment(), serving).ready).toBe(false)
    expect(verdict(available, pod({ state: running(5) })).ready).toBe(false)
  })

  it('takes readiness from the condition of the pod, which alone changes on a dead node', () => {
    expect(verdict(available, pod({ ready: true, state: running(900) })).ready).toBe(false)
  })

  it('serves although the scheduler did not see that its binding went through', () => {
    const scheduled = { type: 'PodScheduled', status: 'False', reason: 'SchedulerError', message: 'refused' }
    const conditions = [...(ready.conditions ?? []), scheduled]
    const serving = pod({ ready: true, state: running(5) }, { ...ready, conditions })
    const bound = { ...serving, spec: { nodeName: 'node-1' } }
    expect(verdict(available, bound)).toMatchObject({ ready: true, reason: undefined })
    // Before it is on a node, the text of the error stays out of the status: it has addresses of the cluster.
    const unbound = pod({}, { phase: 'Pending', conditions: [scheduled] })
    expect(verdict(deployment(), unbound)).toMatchObject({ reason: 'Unschedulable', message: undefined })
  })

  describe('that no node takes', () => {
    const waiting = (message: string) => {
      const scheduled = { type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message }
      return verdict(deployment(), pod({}, { phase: 'Pending', conditions: [scheduled] }))
    }

    it('has the words of the scheduler, without those about preemption', () => {
      const words =
        '0/5 nodes are available: 2 Insufficient cpu, 3 node(s) had untolerated taint {gpu: true}. ' +
        'preemption: 0/5 nodes are available: 5 Preemption is not helpful for scheduling.'
      expect(waiting(words)).toMatchObject({
        reason: 'Unschedulable',
        message:
          'No node takes this challenge yet: 0/5 nodes are available: 2 Insufficient cpu, 3 node(s) had untolerated taint {gpu: true}.',
      })
    })

    it('has no more words than a status shows', () => {
      expect(
        waiting(`0/5 nodes are available: ${'1 Insufficient example.com/gpu, '.repeat(50)}`).message?.length,
      ).toBeLessThan(350)
      expect(waiting('').message).toBeUndefined()
    })

    it('is told again if the cause changes, and not if the number of nodes does', () => {
      const found = waiting('0/5 nodes are available: 5 Insufficient cpu.')
      const said = (words: string) => ({
        ready: false,
        readyReason: 'Unschedulable',
        phase: 'Provisioning',
        podName: 'web-7-x',
        unscheduledMessage: waiting(words).message,
      })
      expect(verdictReflected(said('0/7 nodes are available: 7 Insufficient cpu.'), found)).toBe(true)
      expect(
        verdictReflected(
          said("0/5 nodes are available: 5 node(s) didn't match Pod's node affinity/selector."),
          found,
        ),
      ).toBe(false)
    })
  })

  describe('on a node that does not answer', () => {
    const unready = { conditions: [{ type: 'Ready', status: 'False' }] }
    const silent = (metadata: Pod['metadata'] = {}) => {
      const lost = pod({ ready: true, state: running(900) }, unready, 'web-7-lost')
      return { ...lost, metadata: { ...lost.metadata, ...metadata } } as Stored<Pod>
    }
    const given = (seconds: number) =>
      silent({ deletionTimestamp: ago(seconds - 30), deletionGracePeriodSeconds: 30 })
    const deadline = {
      ...deployment(),
      spec: { ...deployment().spec, progressDeadlineSeconds: 120 },
    } as Deployment
    const starting = pod({ state: { waiting: { reason: 'ContainerCreating' } } }, { phase: 'Pending' })
    const unscheduled = pod(
      {},
      { phase: 'Pending', conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable' }] },
    )

    it('is NodeLost, and not failed before Kubernetes gives the pod up', () => {
      const lost = {
        ready: false,
        failed: false,
        reason: 'NodeLost',
        podName: 'web-7-lost',
        dueAt: undefined,
      }
      expect(verdict(deadline, silent())).toMatchObject(lost)
    })

    it('is failed if no other pod becomes ready within the progress deadline', () => {
      for (const successors of [[], [starting], [unscheduled]]) {
        const early = verdict(deadline, given(119), ...successors)
        expect(early).toMatchObject({ failed: false, reason: 'NodeLost', dueAt: now + 1_000 })
        const late = verdict(deadline, given(120), ...successors)
        expect(late).toMatchObject({ failed: true, reason: 'NodeLost', dueAt: undefined })
      }
    })

    it('says the same to a pass that reads no other pod', () => {
      const all = verdict(deadline, given(60), starting)
      expect(verdict(deadline, given(60))).toEqual(all)
    })

    it('serves again as soon as another pod does', () => {
      const serving = pod({ ready: true, state: running(5) }, ready)
      expect(verdict(available, given(60), serving)).toMatchObject({ ready: true, podName: 'web-7-x' })
    })

    it('has the trouble of the pod that replaces it, if that has one of its own', () => {
      const broken = pod({ state: { waiting: { reason: 'ErrImagePull' } } })
      expect(verdict(deadline, given(60), broken)).toMatchObject({
        reason: 'ImagePullFailed',
        podName: 'web-7-x',
      })
    })

    it('has the refusal of the pod that would replace it', () => {
      const refused = deployment({
        conditions: [{ type: 'ReplicaFailure', status: 'True', message: 'exceeded quota: pods' }],
      })
      expect(verdict(refused, given(60)).reason).toBe('QuotaExceeded')
    })

    it('is no excuse for a pod that is hibernated', () => {
      expect(verdict(deployment({}, 0), given(60))).toMatchObject({ reason: 'Suspended' })
    })
  })

  it('takes no readiness gate of somebody else for a lost node', () => {
    const gated = { conditions: [{ type: 'Ready', status: 'False', reason: 'ReadinessGatesNotReady' }] }
    expect(verdict(deployment(), pod({ ready: true, state: running(5) }, gated)).reason).toBeUndefined()
  })

  it('counts a container that has run since its last crash as cured', () => {
    const cured = pod(
      { ready: true, restartCount: 5, state: running(600), lastState: exit(1, 'Error') },
      ready,
    )
    expect(verdict(available, cured)).toMatchObject({ ready: true, failed: false })
  })

  it('names the time at which a running container counts as cured', () => {
    const flapping = pod(
      { ready: true, restartCount: 3, state: running(1), lastState: exit(1, 'Error') },
      ready,
    )
    const { dueAt } = verdict(available, flapping)
    expect(dueAt).toBeGreaterThan(now)
    const later = workloadVerdict(deploymentDigest(available), [podDigest(flapping)], dueAt ?? 0)
    expect(later.ready).toBe(true)
  })

  it('blames no probe before the probe may have succeeded', () => {
    const slow = pod({ state: running(40) })
    slow.spec = { containers: [slowContainer] }
    expect(verdict(deployment(), slow)).toMatchObject({ reason: undefined, dueAt: now + 290_000 })
    const { reason } = workloadVerdict(deploymentDigest(deployment()), [podDigest(slow)], now + 290_000)
    expect(reason).toBe('ProbeFailing')
  })

  it('blames no probe within the time that a start may take', () => {
    const slow = pod({ state: running(40) })
    const probe = { tcpSocket: { port: 8080 }, periodSeconds: 2 }
    const startupProbe = { ...probe, failureThreshold: 301 }
    slow.spec = { containers: [{ name: 'web-7', image: 'web', readinessProbe: probe, startupProbe }] }
    expect(verdict(deployment(), slow)).toMatchObject({ reason: undefined, dueAt: now + 562_000 })
  })

  it('blames the probe of a quick container while another one still starts', () => {
    const two = pod({ state: running(40) })
    two.spec = { containers: [slowContainer, { name: 'quick', image: 'quick' }] }
    const quick = { name: 'quick', ready: false, restartCount: 0, state: running(40) }
    two.status?.containerStatuses?.push(quick)
    expect(verdict(deployment(), two).reason).toBe('ProbeFailing')
  })

  it('waits for a container that started late before it reports the progress deadline', () => {
    const late = deployment({
      conditions: [{ type: 'Progressing', status: 'False', reason: 'ProgressDeadlineExceeded' }],
    })
    expect(verdict(late, pod({ state: running(3) }))).toMatchObject({ failed: false, reason: undefined })
  })

  it('prefers a healthy pod to a terminating and an evicted one', () => {
    const serving = pod({ ready: true, state: running(5) }, ready, 'web-7-new')
    const evicted = pod({}, { phase: 'Failed', reason: 'Evicted' }, 'web-7-old')
    const killed = pod(exit(137, 'Error') as never, { phase: 'Failed' }, 'web-7-gone')
    killed.metadata.deletionTimestamp = ago(1)
    expect(verdict(available, evicted, serving, killed)).toMatchObject({ ready: true, podName: 'web-7-new' })
  })

  it.each([
    ['exceeded quota: ctf-quota, requested: limits.cpu=1', 'QuotaExceeded', false],
    ['pods "x" is forbidden: violates PodSecurity "baseline:latest"', 'PodSecurityRefused', true],
    ['admission webhook "policy.example" denied the request', 'AdmissionRefused', true],
  ])('classifies a refused pod by the message of ReplicaFailure: %s', (message, reason, failed) => {
    const refused = deployment({ conditions: [{ type: 'ReplicaFailure', status: 'True', message }] })
    expect(verdict(refused)).toMatchObject({ ready: false, reason, failed })
  })

  it('has the words of a refusal, without its values', () => {
    const message = 'pods "x" is forbidden: pod rejected: RuntimeClass "gvisor" not found'
    const refused = deployment({ conditions: [{ type: 'ReplicaFailure', status: 'True', message }] })
    expect(verdict(refused).message).toBe(
      'The cluster refuses the pod of this challenge: pod rejected: RuntimeClass "gvisor" not found.',
    )
  })

  it('reports the progress deadline unless the pod shows a reason', () => {
    const late = deployment({
      conditions: [{ type: 'Progressing', status: 'False', reason: 'ProgressDeadlineExceeded' }],
    })
    expect(verdict(late)).toMatchObject({ failed: true, reason: 'ProgressDeadlineExceeded' })
    expect(verdict(late, pod({ state: running(130) }))).toMatchObject({
      failed: true,
      reason: 'ProbeFailing',
    })
  })

  it('does not count a generation as available before the controller has observed it', () => {
    const behind = deployment({ observedGeneration: 1, availableReplicas: 1, updatedReplicas: 1 })
    expect(verdict(behind, pod({ ready: true, state: running(50) }, ready)).ready).toBe(false)
  })

  it('reports zero wanted replicas as Suspended, not as failed', () => {
    expect(verdict(deployment({}, 0))).toMatchObject({ ready: false, failed: false, reason: 'Suspended' })
  })
})

describe('verdictReflected', () => {
  const serving = { ready: true, failed: false, reason: undefined, podName: 'a', dueAt: undefined }
  const reported = { ready: true, readyReason: 'Available', phase: 'Ready', podName: 'a' }

  it('is true if nothing differs', () => expect(verdictReflected(reported, serving)).toBe(true))
  it.each([
    ['readiness', { ready: false }],
    ['reason', { readyReason: 'CrashLooping' }],
    ['failure', { phase: 'Failed' }],
    ['pod', { podName: 'b' }],
  ])('is false if the %s differs', (_, difference) => {
    expect(verdictReflected({ ...reported, ...difference }, serving)).toBe(false)
  })
  it('ignores the name of a pod that does not serve yet', () => {
    const starting = { ...serving, ready: false }
    const said = { ready: false, readyReason: 'Progressing', phase: 'Provisioning', podName: 'b' }
    expect(verdictReflected(said, starting)).toBe(true)
  })
})
