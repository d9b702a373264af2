import type { ChallengeInstance } from '../crd/challenge-instance.ts'
import type { ChallengeTemplate } from '../crd/challenge-template.ts'
import { apiVersion, labels } from '../crd/group.ts'
import type { Deployment, KubernetesObject, Pod, Secret } from '../crd/objects.ts'
import { flagSource } from '../desired/flag/flag.ts'
import { isProblem, type Problem } from '../desired/problem.ts'
import { checkEnvironment } from '../environment.ts'
import type { Cluster } from '../kubernetes/cluster.ts'
import type { Cause } from '../messages.ts'
import type { Pass } from './outcome.ts'

/** Everything a pass decides on, read up front. */
export interface Observed {
  instance: ChallengeInstance
  /** 'unread' on a pass that only looks at how the workload is doing. */
  template: ChallengeTemplate | undefined | 'unread'
  /** What the Secret of a flag's `secretRef` holds. */
  referencedFlag: string | undefined
  /** `spec.env` as the template's `envSchema` sees it. */
  environment: { env: Record<string, string> } | Problem
  deployment: Deployment | undefined
  pod: Pod | undefined
  /** Recorded children by `childKey`, metadata only; undefined: gone. Empty unless the pass verifies. */
  verified: ReadonlyMap<string, KubernetesObject | undefined>
}

/** Causes that say "a child may not be what was recorded", or that nobody knows why: every child is looked at. */
const verifyingCauses: readonly Cause[] = ['child', 'drift', 'orphan', 'manual', 'retry']

/** A cause that asks only how the workload is doing. The template has its own cause, so it need not be read. */
const lookingCauses: ReadonlySet<Cause> = new Set<Cause>(['pod'])

export function childKey(child: { kind: string; namespace?: string; name?: string }): string {
  return `${child.kind}/${child.namespace ?? ''}/${child.name ?? ''}`
}

export function readInstance(
  cluster: Cluster,
  key: { namespace: string; name: string },
  signal: AbortSignal,
): Promise<ChallengeInstance | undefined> {
  const reference = { apiVersion, kind: 'ChallengeInstance', namespace: key.namespace, name: key.name }
  return cluster.get<ChallengeInstance>(reference, signal)
}

export async function observe(
  cluster: Cluster,
  instance: ChallengeInstance,
  pass: Pass,
  signal: AbortSignal,
): Promise<Observed> {
  const { status, spec } = instance
  const namespace = instance.metadata.namespace ?? ''
  const podName = pass.pod ?? status?.podName
  const recorded = status?.children ?? []
  const deploymentChild = recorded.find(child => child.kind === 'Deployment')
  const verifies = verifyingCauses.some(cause => pass.causes.has(cause))
  const others = verifies ? recorded.filter(child => child !== deploymentChild) : []
  const [read, deployment, pod, ...metadata] = await Promise.all([
    onlyLooks(instance, pass)
      ? ('unread' as const)
      : readTemplate(cluster, namespace, spec.templateRef, signal),
    deploymentChild && cluster.get<Deployment>(deploymentChild, signal),
    deploymentChild && podName !== undefined
      ? cluster.get<Pod>(
          { apiVersion: 'v1', kind: 'Pod', namespace: deploymentChild.namespace, name: podName },
          signal,
        )
      : undefined,
    ...others.map(child => cluster.getMetadata(child, signal)),
  ])
  const verified = new Map(others.map((child, index) => [childKey(child), metadata[index]]))
  const vanished = deploymentChild !== undefined && deployment === undefined
  const template =
    read === 'unread' && vanished ? await readTemplate(cluster, namespace, spec.templateRef, signal) : read
  const wanted = template === 'unread' ? undefined : template
  return {
    instance,
    template,
    referencedFlag: wanted && (await readFlag(cluster, wanted, signal)),
    environment: wanted ? await checkEnvironment(instance, wanted) : { env: {} },
    deployment,
    pod: ownPod(pod, instance),
    verified,
  }
}

async function readFlag(
  cluster: Cluster,
  template: ChallengeTemplate,
  signal: AbortSignal,
): Promise<string | undefined> {
  const source = flagSource(template)
  if (isProblem(source) || source.kind !== 'secretRef') return undefined
  const { namespace = '' } = template.metadata
  const { name, key } = source.secret
  const found = await cluster.get<Secret>({ apiVersion: 'v1', kind: 'Secret', namespace, name }, signal)
  const value = found?.data?.[key]
  return value === undefined ? undefined : Buffer.from(value, 'base64').toString('utf8')
}

function onlyLooks(instance: ChallengeInstance, pass: Pass): boolean {
  const { status, metadata } = instance
  return (
    status?.observedGeneration === metadata.generation &&
    status?.reason !== 'TemplateMissing' &&
    [...pass.causes].every(cause => lookingCauses.has(cause))
  )
}

function readTemplate(cluster: Cluster, namespace: string, name: string, signal: AbortSignal) {
  return cluster.get<ChallengeTemplate>({ apiVersion, kind: 'ChallengeTemplate', namespace, name }, signal)
}

/** The hint may name a predecessor's pod; its troubles are not this instance's. */
function ownPod(pod: Pod | undefined, instance: ChallengeInstance): Pod | undefined {
  return pod?.metadata.labels?.[labels.instanceUid] === instance.metadata.uid ? pod : undefined
}
