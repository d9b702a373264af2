import { labels } from '../crd/group.ts'
import type { Deployment, KubernetesObject, Pod } from '../crd/objects.ts'
import { childVersion } from '../observed/child-version.ts'
import { deploymentDigest } from '../observed/deployment.ts'
import { podDigest } from '../observed/pod.ts'
import type { Intern } from './instance-digest.ts'
import type { Dependent, Row } from './row.ts'
import type { Watched } from './targets.ts'

/**
 * The instance that an object's labels name. Undefined: none, or one where we do not watch, of which the table cannot
 * say that it is gone.
 */
export function ownerOf(
  { metadata }: KubernetesObject,
  watched: Watched,
): { namespace: string; name: string } | undefined {
  const name = metadata.labels?.[labels.instance]
  const namespace = metadata.labels?.[labels.instanceNamespace]
  return name && namespace && watched(namespace) ? { namespace, name } : undefined
}

export function dependentOf(object: KubernetesObject, row: Row, intern: Intern): Dependent {
  const { kind, metadata } = object
  const { namespace = '', name = '', resourceVersion = '' } = metadata
  const ownerUid = metadata.labels?.[labels.instanceUid] ?? ''
  const recorded = row.instance?.children
  const version = kind === 'Pod' ? '' : childVersion(metadata)
  return {
    kind: intern(kind),
    namespace: intern(namespace),
    name: name === row.name ? row.name : name,
    resourceVersion,
    ownerUid: ownerUid === row.instance?.uid ? row.instance.uid : ownerUid,
    version: recorded?.find(child => child.version === version)?.version ?? version,
    deleting: metadata.deletionTimestamp !== undefined,
    deployment: kind === 'Deployment' ? deploymentDigest(object as Deployment) : undefined,
    pod: kind === 'Pod' ? compactPod(object as Pod, intern) : undefined,
    row,
  }
}

/** Phases and reasons repeat ten thousand times over. */
function compactPod(pod: Pod, intern: Intern): Dependent['pod'] {
  const digest = podDigest(pod)
  return { ...digest, phase: intern(digest.phase) }
}
