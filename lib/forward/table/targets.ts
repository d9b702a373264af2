import { type ChildKind, childKinds } from '../../crd/child-kinds.ts'
import { apiVersion, managedBySelector } from '../../crd/group.ts'
import { childScopesOf, scopesOf, type WatchedNamespaces, watchedBy } from '../../crd/namespaces.ts'
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

/** `everywhere`: children may lie in every namespace of the cluster. */
export interface Watching {
  namespaces: WatchedNamespaces
  everywhere: boolean
}

/** Returns every collection that the forwarder watches. */
export function watchTargets({ namespaces, everywhere }: Watching): WatchTarget[] {
  const inScopes = (targets: readonly WatchTarget[], scopes: readonly { namespace?: string }[]) =>
    scopes.flatMap(scope => targets.map(target => ({ ...target, ...scope })))
  return [
    ...inScopes(customResources, scopesOf(namespaces)),
    ...inScopes(managed, childScopesOf(namespaces, { everywhere })),
  ]
}

/** Whether instances, or children, of a namespace are watched. */
export interface Watched {
  instances: (namespace: string) => boolean
  children: (namespace: string) => boolean
}

export function watchedIn({ namespaces, everywhere }: Watching): Watched {
  return { instances: watchedBy(namespaces), children: watchedBy(everywhere ? '*' : namespaces) }
}

/** Whether absence from the table means that a recorded child does not exist. */
export function isWatchedChild(kind: string, namespace: string, watched: Watched): boolean {
  return watchedChildKindNames.has(kind) && watched.children(namespace)
}
