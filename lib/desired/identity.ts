import { createHash } from 'node:crypto'
import type { PlacementSettings } from '../config/placement.ts'
import type { ChallengeInstance } from '../crd/challenge-instance.ts'
import type { Placement } from '../crd/challenge-template.ts'
import { apiVersion, fieldManager, labels as labelNames } from '../crd/group.ts'
import type { OwnerReference, Stored } from '../crd/objects.ts'
import { isAdopting } from '../observed/adopting.ts'
import { canonicalJson } from './canonical.ts'
import type { PolicyRules } from './policy-rules.ts'

/** The name, labels and owner that the children of an instance share. Only this file composes them. */
export interface Identity {
  /** The name of the instance and of each of its children. */
  name: string
  /** The namespace of the children. */
  namespace: string
  /** The namespace of the instance and its template. */
  instanceNamespace: string
  /** The uid of the instance. */
  uid: string
  labels: Record<string, string>
  /** Selects the pods of this instance and of no predecessor. */
  podSelector: Record<string, string>
  owners: OwnerReference[]
}

/** @param placementNamespace namespace that the workload runs in */
export function identity(
  { metadata, spec }: Stored<ChallengeInstance>,
  placementNamespace: string,
): Identity {
  const { name, namespace, uid } = metadata
  const podSelector = { [labelNames.app]: name, [labelNames.instanceUid]: uid }
  return {
    name,
    namespace: placementNamespace,
    instanceNamespace: namespace,
    uid,
    podSelector,
    labels: {
      ...podSelector,
      [labelNames.managedBy]: fieldManager,
      [labelNames.name]: labelValue(spec.templateRef),
      [labelNames.instance]: name,
      [labelNames.instanceNamespace]: namespace,
      [labelNames.team]: String(spec.owner.teamId),
      [labelNames.event]: String(spec.owner.eventId),
      [labelNames.template]: labelValue(spec.templateRef),
    },
    // Kubernetes accepts an owner only in the namespace of the child. In another one, only the finalizer cleans up.
    owners: placementNamespace === namespace ? [owner(name, uid)] : [],
  }
}

/** No instance has a name with a dot, so no policy that an earlier release made for an instance has such a name. */
const policyNamePrefix = 'challenge-policy.'

/** 128 bits, in hex digits: nobody finds other rules with the name of a policy that exists. */
const policyHashLength = 32

/** The name of the policy that all templates with these rules share. It depends on nothing else. */
export function policyName(rules: PolicyRules): string {
  const hash = createHash('sha256').update(canonicalJson(rules)).digest('hex')
  return policyNamePrefix + hash.slice(0, policyHashLength)
}

/** Whether a policy of this name is shared. */
export function isPolicyName(name: string): boolean {
  return name.startsWith(policyNamePrefix)
}

/**
 * Returns the namespace of an instance's workload. Objects that exist stay where they are, so a changed placement moves
 * nothing that runs.
 */
export function workloadNamespace(
  { metadata, spec, status }: Stored<ChallengeInstance>,
  placement: Placement,
  { namespacePrefix }: Pick<PlacementSettings, 'namespacePrefix'>,
): string {
  if (status?.namespace !== undefined && (status.children ?? []).length > 0) return status.namespace
  // The older operator knew no placement. Its objects are taken over where they are.
  if (isAdopting(status)) return metadata.namespace
  switch (placement) {
    case 'Shared':
      return metadata.namespace
    case 'Event':
      return `${eventNamespacePrefix({ namespacePrefix })}${spec.owner.eventId}`
    case 'Instance':
      return ownNamespace(metadata, namespacePrefix)
  }
}

/** Begins the names of the namespaces of events. */
export function eventNamespacePrefix({
  namespacePrefix,
}: Pick<PlacementSettings, 'namespacePrefix'>): string {
  return `${namespacePrefix}event-`
}

/** Returns the namespaces in which the workload of an instance may be, as far as the instance and the settings say. */
export function possibleNamespaces(
  instance: Stored<ChallengeInstance>,
  settings: Pick<PlacementSettings, 'namespacePrefix' | 'allowed'>,
): string[] {
  const { status, ...unplaced } = instance
  const { metadata } = instance
  const placed = settings.allowed.map(each => workloadNamespace(unplaced, each, settings))
  return [...new Set([metadata.namespace, ...(status?.namespace ? [status.namespace] : []), ...placed])]
}

/** Returns the placement that a namespace of an instance's workload belongs to, also under a prefix of earlier days. */
export function placementOf(instance: { namespace: string; uid: string }, namespace: string): Placement {
  if (namespace === instance.namespace) return 'Shared'
  return namespace.endsWith(`-${uidHash(instance)}`) ? 'Instance' : 'Event'
}

/** Returns the name of the namespace that one instance has for itself under the placement `Instance`. */
export function ownNamespace({ name, uid }: { name: string; uid: string }, namespacePrefix: string): string {
  const hash = uidHash({ uid })
  const kept = name.slice(0, nameLimit - namespacePrefix.length - hash.length - 1).replace(/-+$/, '')
  return `${namespacePrefix}${kept}-${hash}`
}

/**
 * Returns the name of the copy of a Secret in a workload namespace. Instances of several namespaces may share that one, so
 * the name tells their Secrets apart. The Secret itself is used where it lies.
 */
export function copiedSecretName(
  source: { namespace: string; name: string },
  workloadNamespace: string,
): string {
  const { namespace, name } = source
  if (namespace === workloadNamespace) return name
  const hash = createHash('sha256').update(`${namespace}/${name}`).digest('hex').slice(0, 8)
  return `${name.slice(0, cutTo).replace(/[-.]+$/, '')}-${hash}`
}

function uidHash({ uid }: { uid: string }): string {
  return createHash('sha256').update(uid).digest('hex').slice(0, 8)
}

/** Characters of a namespace's name. */
const nameLimit = 63

/** Characters of a name that a Service can have (DNS-1035). */
const serviceNameLength = 63

const exposedSuffix = '-exposed'

/** Returns the name of the Service by which an instance is exposed, beside the one inside of the cluster. */
export function exposedServiceName(name: string): string {
  if (name.length + exposedSuffix.length <= serviceNameLength) return `${name}${exposedSuffix}`
  const hash = createHash('sha256').update(name).digest('hex').slice(0, 8)
  const kept = name.slice(0, serviceNameLength - exposedSuffix.length - hash.length - 1).replace(/-+$/, '')
  return `${kept}-${hash}${exposedSuffix}`
}

const valid = /^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)$/

/** Leaves room for a dash and eight hex digits in the 63 characters of a label's value. */
const cutTo = 54

/** Returns the text if it is a valid label value. Otherwise keeps its valid part and adds a hash, so that different texts stay different. */
export function labelValue(text: string): string {
  if (valid.test(text)) return text
  const hash = createHash('sha256').update(text).digest('hex').slice(0, 8)
  const kept = text
    .replace(/[^-A-Za-z0-9_.]/g, '-')
    .slice(0, cutTo)
    .replace(/^[-_.]+|[-_.]+$/g, '')
  return kept === '' ? hash : `${kept}-${hash}`
}

function owner(name: string, uid: string): OwnerReference {
  return { apiVersion, kind: 'ChallengeInstance', name, uid, controller: true, blockOwnerDeletion: true }
}
