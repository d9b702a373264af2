import { clockName, clockStateName } from '../../clock/state.ts'
import {
  type ChildKind,
  childKinds,
  gatewayKind,
  optionalKinds,
  type ServedKinds,
  servedChildKinds,
} from '../../crd/child-kinds.ts'
import { apiVersion, managedBySelector } from '../../crd/group.ts'
import { childScopesOf, scopesOf, type WatchedNamespaces, watchedBy } from '../../crd/namespaces.ts'
import type { WatchTarget } from '../../kubernetes/cluster.ts'

const customResources: WatchTarget[] = [
  { apiVersion, kind: 'ChallengeInstance' },
  { apiVersion, kind: 'ChallengeTemplate' },
]

/** Children and pods, whole: the status of pods and Deployments is judged, and what is ours in the others is compared. */
function managed(served: ServedKinds): WatchTarget[] {
  const children = servedChildKinds(served).filter(({ watch }) => watch !== 'never')
  return [...children, { apiVersion: 'v1', kind: 'Pod' }].map(({ apiVersion, kind }) => ({
    apiVersion,
    kind,
    labelSelector: managedBySelector,
  }))
}

/** What the forwarder knows of the cluster when it begins. */
export interface WatchedCluster {
  served: ServedKinds
  /** The Gateway of routes, if there may be one. */
  gateway: { namespace: string; name: string } | undefined
  /** The namespace of the organiser's clock. */
  leaseNamespace: string
}

/** The organiser's ConfigMap, and that with the state. Each is watched by its name. */
function clockTargets(namespace: string): WatchTarget[] {
  return [clockName, clockStateName].map(name => ({
    apiVersion: 'v1',
    kind: clockKind,
    namespace,
    fieldSelector: `metadata.name=${name}`,
  }))
}

/** No other ConfigMaps are watched. */
export const clockKind = 'ConfigMap'

/** `everywhere`: children may lie in every namespace of the cluster. */
export interface Watching {
  namespaces: WatchedNamespaces
  everywhere: boolean
}

/** Only whether it exists is of interest: what it says of a route stands in the route's status. */
function gatewayTarget({ namespace, name }: { namespace: string; name: string }): WatchTarget {
  return { ...gatewayKind, namespace, fieldSelector: `metadata.name=${name}`, metadataOnly: true }
}

const watchedChildKindNames = new Set(
  (childKinds as readonly ChildKind[]).filter(({ watch }) => watch !== 'never').map(({ kind }) => kind),
)

/** Returns the kinds of children that cannot be watched, since the cluster does not serve them. */
export function unservedKinds(served: ServedKinds): ReadonlySet<string> {
  return new Set(optionalKinds.map(({ kind }) => kind).filter(kind => !served.has(kind)))
}

/** Returns every collection that the forwarder watches. */
export function watchTargets(
  { namespaces, everywhere }: Watching,
  { served, gateway, leaseNamespace }: WatchedCluster,
): WatchTarget[] {
  const inScopes = (targets: readonly WatchTarget[], scopes: readonly { namespace?: string }[]) =>
    scopes.flatMap(scope => targets.map(target => ({ ...target, ...scope })))
  return [
    ...inScopes(customResources, scopesOf(namespaces)),
    ...inScopes(managed(served), childScopesOf(namespaces, { everywhere })),
    ...clockTargets(leaseNamespace),
    ...(gateway && served.has(gatewayKind.kind) ? [gatewayTarget(gateway)] : []),
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
