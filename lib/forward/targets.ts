import { apiVersion, managedBySelector } from '../crd/group.ts'
import { scopesOf, type WatchedNamespaces } from '../crd/namespaces.ts'
import type { WatchTarget } from '../kubernetes/cluster.ts'

const own: WatchTarget[] = [
  { apiVersion, kind: 'ChallengeInstance' },
  { apiVersion, kind: 'ChallengeTemplate' },
]

/**
 * Deployments and pods are watched whole: their status is what is judged. Secrets are not watched at all: metadata can
 * leak a value, and the right to watch is the right to read; the sweep verifies them.
 */
const managed: WatchTarget[] = [
  { apiVersion: 'apps/v1', kind: 'Deployment' },
  { apiVersion: 'v1', kind: 'Service', metadataOnly: true },
  { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadataOnly: true },
  { apiVersion: 'v1', kind: 'Pod' },
].map(target => ({ ...target, labelSelector: managedBySelector }))

const childKinds = new Set(['Deployment', 'Service', 'NetworkPolicy'])

/** Every collection the forwarder watches. */
export function watchTargets(namespaces: WatchedNamespaces): WatchTarget[] {
  const kinds = [...own, ...managed]
  return scopesOf(namespaces).flatMap(scope => kinds.map(target => ({ ...target, ...scope })))
}

export type Watched = (namespace: string) => boolean

/** Whether absence from the table means that a recorded child is gone. */
export function isWatchedChild(kind: string, namespace: string, watched: Watched): boolean {
  return childKinds.has(kind) && watched(namespace)
}
