import { type OperatorConfig, parseOperatorConfig } from '../../../lib/config/operator.ts'
import type {
  ChallengeInstance,
  ChallengeInstanceStatus,
  Child,
} from '../../../lib/crd/challenge-instance.ts'
import type { ChallengeTemplateSpec } from '../../../lib/crd/challenge-template.ts'
import { insideKinds } from '../../../lib/crd/child-kinds.ts'
import { fieldManager, finalizer, labels } from '../../../lib/crd/group.ts'
import type { Deployment, KubernetesObject, ObjectMeta, Pod, Stored } from '../../../lib/crd/objects.ts'
import { referenceTo } from '../../../lib/crd/reference.ts'
import { defaultDeny } from '../../../lib/desired/objects/default-deny.ts'
import { sharedPolicy } from '../../../lib/desired/objects/network-policy.ts'
import { policyRules } from '../../../lib/desired/policy-rules.ts'
import { childVersion } from '../../../lib/observed/child-version.ts'
import { storedInstance, storedTemplate } from '../../support/objects.ts'
import { start } from './virtual-time.ts'

export const namespace = 'ctf'

let versions = 1_000
export const nextVersion = () => String(++versions)

export function template(generation = 1, uid = 'template-1'): Stored<KubernetesObject> {
  return storedTemplate({ metadata: { uid, generation, resourceVersion: nextVersion() } })
}

export function instance(name = 'team-1', metadata: ObjectMeta = {}): Stored<ChallengeInstance> {
  const own = { name, uid: `uid-${name}`, resourceVersion: nextVersion(), finalizers: [finalizer] }
  return storedInstance({ metadata: { ...own, ...metadata } })
}

export function withStatus(
  of: Stored<ChallengeInstance>,
  status: ChallengeInstanceStatus,
): Stored<ChallengeInstance> {
  return { ...of, metadata: { ...of.metadata, resourceVersion: nextVersion() }, status }
}

const watchedKinds = insideKinds.filter(({ watch }) => watch !== 'never')

function managed(of: Stored<ChallengeInstance>, kind: string): Stored<KubernetesObject>['metadata'] {
  const { name, uid } = of.metadata
  return {
    namespace,
    name,
    uid: `${kind}-${uid}`,
    resourceVersion: nextVersion(),
    creationTimestamp: of.metadata.creationTimestamp,
    ...(kind === 'Service' || kind === 'Pod' ? {} : { generation: 1 }),
    labels: {
      [labels.managedBy]: fieldManager,
      [labels.instance]: name,
      [labels.instanceNamespace]: namespace,
      [labels.instanceUid]: uid,
    },
  }
}

/** The children of watched kinds, as a pass has just created them. */
export function childrenOf(of: Stored<ChallengeInstance>): Stored<KubernetesObject>[] {
  return watchedKinds.map(({ apiVersion, kind }) => {
    const made = { apiVersion, kind, metadata: managed(of, kind), spec: {} }
    return kind === 'Deployment' ? deployment(made as Stored<Deployment>, false) : made
  })
}

/** The default-deny policy of the namespace. */
export function standingPolicy(spec: object = {}): Stored<KubernetesObject> {
  const built = defaultDeny(namespace)
  return {
    ...built,
    metadata: {
      ...built.metadata,
      uid: 'default-deny',
      resourceVersion: nextVersion(),
      creationTimestamp: '2026-11-21T08:00:00Z',
    },
    spec: { ...built.spec, ...spec },
  } as Stored<KubernetesObject>
}

/** The policy that all pods of a template share, as the API server returns it. */
export function sharedPolicyOf(
  spec: ChallengeTemplateSpec,
  changed: { spec?: object; metadata?: object } = {},
  config: OperatorConfig = parseOperatorConfig({}),
): Stored<KubernetesObject> {
  const built = sharedPolicy(namespace, policyRules(spec), config)
  const { ingress: _, ...stored } = built.spec
  const withoutEmpty = built.spec.ingress?.length === 0 ? stored : built.spec
  return {
    ...built,
    metadata: {
      ...built.metadata,
      uid: 'shared-policy',
      resourceVersion: nextVersion(),
      creationTimestamp: '2026-11-21T08:00:00Z',
      ...changed.metadata,
    },
    spec: { ...withoutEmpty, ...changed.spec },
  } as Stored<KubernetesObject>
}

/** A settled instance whose pod is selected by a shared policy. It has none of its own. */
export function needing({ instance, children, pod }: ReturnType<typeof settled>, policy: string) {
  const labelled = <T extends Stored<KubernetesObject>>(object: T): T => ({
    ...object,
    metadata: { ...object.metadata, labels: { ...object.metadata.labels, [labels.policy]: policy } },
  })
  const made = children
    .filter(({ kind }) => kind !== 'NetworkPolicy')
    .map(child => (child.kind === 'Deployment' ? labelled(child) : child))
  const status = { ...instance.status, children: recorded(made) }
  return [withStatus(instance, status), ...made, labelled(pod)]
}

/** A child after a write to its spec. */
export function changed<T extends KubernetesObject>(child: Stored<T>, generation: number): Stored<T> {
  const counted = child.metadata.generation === undefined ? {} : { generation }
  const { spec } = child as { spec?: object }
  return {
    ...child,
    metadata: { ...child.metadata, ...counted, resourceVersion: nextVersion() },
    spec: { ...spec, write: generation },
  }
}

export function deployment(of: Stored<Deployment>, available: boolean): Stored<Deployment> {
  const replicas = available ? 1 : 0
  const observedGeneration = of.metadata.generation ?? 0
  return {
    ...of,
    metadata: { ...of.metadata, resourceVersion: nextVersion() },
    spec: { replicas: 1 } as Deployment['spec'],
    status: { observedGeneration, availableReplicas: replicas, updatedReplicas: 1 },
  }
}

export function pod(
  of: Stored<ChallengeInstance>,
  ready: boolean,
  name = `${of.metadata.name}-pod`,
): Stored<Pod> {
  const startedAt = new Date(start).toISOString()
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { ...managed(of, 'Pod'), name, creationTimestamp: startedAt },
    status: {
      phase: 'Running',
      conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }],
      containerStatuses: [{ name: 'web', ready, restartCount: 0, state: { running: { startedAt } } }],
    },
  }
}

/** `status.children` for these objects. A Secret is always recorded, and never watched. */
export function recorded(children: Stored<KubernetesObject>[]): Child[] {
  const secret = { apiVersion: 'v1', kind: 'Secret', namespace, name: 'flag', version: '1-x', hash: '' }
  const made = children.map(child => ({
    ...referenceTo(child),
    version: childVersion(child),
    hash: '',
  }))
  return [...made, secret]
}

/** A status as a pass writes it for these children. */
export function status(
  children: Stored<KubernetesObject>[],
  ready: boolean,
  more: ChallengeInstanceStatus = {},
): ChallengeInstanceStatus {
  const lastTransitionTime = new Date(start).toISOString()
  const why = ready ? 'Available' : 'Progressing'
  return {
    phase: ready ? 'Ready' : 'Provisioning',
    observedGeneration: 1,
    template: { uid: 'template-1', generation: 1, hash: 'h' },
    children: recorded(children),
    conditions: [
      { type: 'Ready', status: ready ? 'True' : 'False', reason: why, message: '', lastTransitionTime },
    ],
    ...more,
  }
}

/** A settled instance with its children and its pod. */
export function settled(name = 'team-1', more: ChallengeInstanceStatus = {}) {
  const bare = instance(name)
  const children = childrenOf(bare).map(child =>
    child.kind === 'Deployment' ? deployment(child as Stored<Deployment>, true) : child,
  )
  const running = pod(bare, true)
  const podName = running.metadata.name
  const whole = withStatus(bare, status(children, true, { podName, ...more }))
  return { instance: whole, children, pod: running, all: [whole, ...children, running] }
}
