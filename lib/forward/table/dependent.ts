import { labels } from '../../crd/group.ts'
import type { Deployment, KubernetesObject, Pod, Stored } from '../../crd/objects.ts'
import { isExposingChild } from '../../desired/exposure/exposing-child.ts'
import { childVersion } from '../../observed/child-version.ts'
import { deploymentDigest } from '../../observed/deployment.ts'
import { exposureState } from '../../observed/exposure.ts'
import { podDigest } from '../../observed/pod.ts'
import { type Intern, namespaceFor } from './intern.ts'
import type { Dependent, Row } from './row.ts'
import type { Watched } from './targets.ts'

/**
 * Returns the instance that an object's labels name. Undefined if they name none, or one in a namespace that is not
 * watched: whether that one exists, the table does not show.
 */
export function ownerOf(
  { metadata }: Stored<KubernetesObject>,
  watched: Watched,
): { namespace: string; name: string } | undefined {
  const name = metadata.labels?.[labels.instance]
  const namespace = metadata.labels?.[labels.instanceNamespace]
  return name && namespace && watched.instances(namespace) ? { namespace, name } : undefined
}

/** Returns the digest of a child or pod. It shares equal strings with its row: the table holds tens of thousands. */
export function dependentOf(object: Stored<KubernetesObject>, row: Row, intern: Intern): Dependent {
  const { kind, metadata } = object
  const { namespace, name, resourceVersion } = metadata
  const ownerUid = metadata.labels?.[labels.instanceUid]
  const instanceUid = row.instance?.uid
  const recorded = row.instance?.children
  const policy = kind === 'Pod' || kind === 'Deployment' ? metadata.labels?.[labels.policy] : undefined
  const version = kind === 'Pod' ? '' : childVersion(object)
  return {
    kind: intern(kind),
    namespace: namespaceFor(row, namespace),
    name: name === row.name ? row.name : name,
    resourceVersion,
    ownerUid: ownerUid === instanceUid ? instanceUid : ownerUid,
    version: recorded?.find(child => child.version === version)?.version ?? version,
    deleting: metadata.deletionTimestamp !== undefined,
    deployment: kind === 'Deployment' ? deploymentDigest(object as Deployment) : undefined,
    pod: kind === 'Pod' ? compactPod(object as Stored<Pod>, intern) : undefined,
    exposure: isExposingChild({ kind, name }, row.name) ? intern(exposureState(object)) : undefined,
    policy: policy === undefined ? undefined : intern(policy),
    row,
  }
}

/** Interns the phase: it is the same for thousands of pods. */
function compactPod(pod: Stored<Pod>, intern: Intern): Dependent['pod'] {
  const digest = podDigest(pod)
  return { ...digest, phase: intern(digest.phase) }
}
