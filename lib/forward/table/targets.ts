import { type ChildKind, childKinds } from '../../crd/child-kinds.ts'
import { apiVersion, managedBySelector } from '../../crd/group.ts'
import { scopesOf, type WatchedNamespaces } from '../../crd/namespaces.ts'
import type { WatchTarget } from '../../kubernetes/cluster.ts'

const customResources: WatchTarget[] = [
  { apiVersion, kind: 'ChallengeInstance' },
  { apiVersion, kind: 'ChallengeTemplate' },
]

const watchedChildKinds = (childKinds as readonly ChildKind[]).filter(({ watch }) => watch !== 'never')

/** Children and pods, whole: the status of pods and Deployments is judged, and what is ours in the others is compared. */
const managed: WatchTarget[] = [
  ...watchedChildKinds.map(child => ({
    apiVersion: child.apiVersion,
    kind: child.kind,
  })),
  { apiVersion: 'v1', kind: 'Pod' },
].map(target => ({ ...target, labelSelector: managedBySelector }))

const watchedChildKindNames = new Set(watchedChildKinds.map(({ kind }) => kind))

/** Returns every collection that the forwarder watches. */
export function watchTargets(namespaces: WatchedNamespaces): WatchTarget[] {
  const targets = [...customResources, ...managed]
  return scopesOf(namespaces).flatMap(scope => targets.map(target => ({ ...target, ...scope })))
}

/** Whether a namespace is watched. */
export type Watched = (namespace: string) => boolean

/** Whether absence from the table means that a recorded child does not exist. */
export function isWatchedChild(kind: string, namespace: string, watched: Watched): boolean {
  return watchedChildKindNames.has(kind) && watched(namespace)
}
