import type { OperatorConfig } from '../config/operator.ts'
import type { ChallengeInstance, Child } from '../crd/challenge-instance.ts'
import type { ChallengeTemplate } from '../crd/challenge-template.ts'
import { comparesMetadata, isWorkload } from '../crd/child-kinds.ts'
import { apiVersion } from '../crd/group.ts'
import type { Deployment, KubernetesObject, Pod, Secret, Stored } from '../crd/objects.ts'
import { childKey } from '../crd/reference.ts'
import { earlierFlagSecret } from '../desired/configuration.ts'
import { isExposingChild } from '../desired/exposure/exposing-child.ts'
import { flagKey } from '../desired/objects/secret.ts'
import type { Cluster } from '../kubernetes/cluster.ts'
import { isReason } from '../reason-rules.ts'
import type { Store } from '../store/store.ts'
import { readOwnPod } from './own-pod.ts'
import { asksForActivity, onlyLooks, verifiesChildren } from './pass/causes.ts'
import { databaseShareMs } from './pass/database-share.ts'
import type { Observed, ObservedTemplate, TemplateSource } from './pass/observation.ts'
import type { Pass } from './pass/outcome.ts'
import { type SourceDependencies, templateSources } from './template/template-sources.ts'

export function readInstance(
  cluster: Cluster,
  { namespace, name }: { namespace: string; name: string },
  signal: AbortSignal,
): Promise<Stored<ChallengeInstance> | undefined> {
  return cluster.get({ apiVersion, kind: 'ChallengeInstance', namespace, name }, signal)
}

export interface ObserveDependencies extends SourceDependencies {
  store: Pick<Store, 'lastActiveAt'>
  /** Whether the pod stays if the instance is built from a template that it took up. */
  keepsPod: (observed: Observed, inUse: TemplateSource) => boolean
  config: Pick<OperatorConfig, 'flagSecret'>
}

export async function observe(
  dependencies: ObserveDependencies,
  { instance, clock }: Pick<Observed, 'instance' | 'clock'>,
  pass: Pass,
  signal: AbortSignal,
): Promise<Observed> {
  const { cluster, store } = dependencies
  const recorded = instance.status?.children ?? []
  const onlyLooks = needsNoTemplate(instance, pass)
  const workload = recorded.find(isWorkload)
  const others = recorded.filter(
    child =>
      child !== workload &&
      (verifiesChildren(pass) || (!onlyLooks && isExposingChild(child, instance.metadata.name))),
  )
  const [readAtOnce, activity, keptFlag, deployment, pods, ...compared] = await Promise.all([
    onlyLooks ? ({ kind: 'unread' } as const) : readTemplate(cluster, instance, signal),
    asksForActivity(pass) ? readActivity(store, instance, signal) : undefined,
    onlyLooks ? undefined : readKeptFlag(dependencies, instance, signal),
    workload && cluster.get<Deployment>(workload, signal),
    workload ? readPods(cluster, { instance, pass, namespace: workload.namespace }, signal) : [],
    ...others.map(child => readToCompare(cluster, child, signal)),
  ])
  const vanished = workload !== undefined && deployment === undefined
  const template =
    readAtOnce.kind === 'unread' && vanished ? await readTemplate(cluster, instance, signal) : readAtOnce
  const existing = template.kind === 'read' ? template.template : undefined
  const seen: Observed = {
    instance,
    clock,
    template,
    held: pass.held,
    sources: [],
    keptFlag,
    deployment,
    activity,
    pods,
    verified: new Map(others.map((child, index) => [childKey(child), compared[index]])),
  }
  if (template.kind === 'unread') return seen
  const keepsPod = (inUse: TemplateSource) => dependencies.keepsPod(seen, inUse)
  const sources = await templateSources(dependencies, { instance, existing, pass, keepsPod }, signal)
  return { ...seen, sources }
}

/**
 * Observes only what an end follows from: the instance, the clock and the template. The workload counts as not there, so the
 * observation is good for the decision whether the instance has ended, and for no other.
 */
export async function observeEnd(
  dependencies: ObserveDependencies,
  { instance, clock }: Pick<Observed, 'instance' | 'clock'>,
  pass: Pass,
  signal: AbortSignal,
): Promise<Observed> {
  const template = await readTemplate(dependencies.cluster, instance, signal)
  const existing = template.kind === 'read' ? template.template : undefined
  // An edit has taken no other template up yet.
  const keepsPod = () => true
  const sources = await templateSources(dependencies, { instance, existing, pass, keepsPod }, signal)
  const nothing = {
    activity: undefined,
    keptFlag: undefined,
    deployment: undefined,
    pods: [],
    verified: new Map(),
  }
  return { instance, clock, template, held: pass.held, sources, ...nothing }
}

/** Without the database it is not known who is idle, so nobody is hibernated. The sweep asks again. */
async function readActivity(
  store: Pick<Store, 'lastActiveAt'>,
  { metadata }: Stored<ChallengeInstance>,
  signal: AbortSignal,
): Promise<Observed['activity']> {
  try {
    const within = AbortSignal.any([signal, AbortSignal.timeout(databaseShareMs(0))])
    return { lastActiveAt: await store.lastActiveAt(metadata.uid, within) }
  } catch {
    signal.throwIfAborted()
    return undefined
  }
}

/** Reads the flag of an instance that was made with another FLAG_SECRET than the present one. */
async function readKeptFlag(
  { cluster, config }: Pick<ObserveDependencies, 'cluster' | 'config'>,
  { metadata, status }: Stored<ChallengeInstance>,
  signal: AbortSignal,
): Promise<string | undefined> {
  if (earlierFlagSecret(status?.configuration, config) === undefined) return undefined
  const child = status?.children?.find(({ kind, name }) => kind === 'Secret' && name === metadata.name)
  const secret = child && (await cluster.get<Secret>(child, signal))
  const flag = secret?.data?.[flagKey]
  return flag === undefined ? undefined : Buffer.from(flag, 'base64').toString('utf8')
}

function readToCompare(
  cluster: Cluster,
  child: Child,
  signal: AbortSignal,
): Promise<Stored<KubernetesObject> | undefined> {
  return comparesMetadata(child) ? cluster.getMetadata(child, signal) : cluster.get(child, signal)
}

function needsNoTemplate({ status, metadata }: ChallengeInstance, pass: Pass): boolean {
  return (
    status?.observedGeneration === metadata.generation &&
    lookKeeps(status?.reason) &&
    // The address of the pod's node is a part of what such an instance reports.
    status?.exposure?.type !== 'NodePort' &&
    onlyLooks(pass)
  )
}

/**
 * Whether a pass that only looks at the workload can keep the other facts. While the template is missing, and after a
 * pause, they are not known. Nor does this release know which pass examines a reason of another release.
 */
function lookKeeps(reason: string | undefined): boolean {
  return reason === undefined || (isReason(reason) && reason !== 'TemplateMissing' && reason !== 'Paused')
}

async function readTemplate(
  cluster: Cluster,
  { metadata, spec }: Stored<ChallengeInstance>,
  signal: AbortSignal,
): Promise<ObservedTemplate> {
  const reference = {
    apiVersion,
    kind: 'ChallengeTemplate',
    namespace: metadata.namespace,
    name: spec.templateRef,
  }
  const template = await cluster.get<ChallengeTemplate>(reference, signal)
  return template ? { kind: 'read', template } : { kind: 'missing' }
}

/**
 * Reads the pod that the message names. A timer may name one that was replaced since: the pod that the status reports is
 * read as well then, so that a pass does not say less than was known.
 */
async function readPods(
  cluster: Cluster,
  { instance, pass, namespace }: { instance: Stored<ChallengeInstance>; pass: Pass; namespace: string },
  signal: AbortSignal,
): Promise<Stored<Pod>[]> {
  const read = async (name: string | undefined) => {
    const pod =
      name === undefined ? undefined : await readOwnPod(cluster, instance, { namespace, name }, signal)
    return pod === undefined ? [] : [pod]
  }
  const reported = instance.status?.podName
  const named = await read(pass.pod ?? reported)
  const isCurrent = named.some(({ metadata }) => metadata.deletionTimestamp === undefined)
  if (isCurrent || pass.pod === undefined || pass.pod === reported) return named
  return [...named, ...(await read(reported))]
}
