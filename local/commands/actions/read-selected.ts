import type { ChallengeInstance } from '../../../lib/crd/challenge-instance.ts'
import { apiVersion } from '../../../lib/crd/group.ts'
import { scopesOf, type WatchedNamespaces } from '../../../lib/crd/namespaces.ts'
import type { Stored } from '../../../lib/crd/objects.ts'
import type { Cluster } from '../../../lib/kubernetes/cluster.ts'
import { isSelected, type Selection } from './selection.ts'

/** Up to this many names are asked for one by one. More of them cost more than the pages of all instances. */
const namesOneByOne = 5

/** Reads the selected instances of the watched namespaces, in the order of the API server. */
export async function readSelected(
  cluster: Cluster,
  namespaces: WatchedNamespaces,
  selection: Selection,
  signal: AbortSignal,
): Promise<Stored<ChallengeInstance>[]> {
  const found = new Map<string, Stored<ChallengeInstance>>()
  for (const options of listsFor(namespaces, selection.names))
    for await (const page of cluster.list<ChallengeInstance>(
      { apiVersion, kind: 'ChallengeInstance' },
      options,
      signal,
    ))
      for (const each of page) if (isSelected(each, selection)) found.set(each.metadata.uid, each)
  return [...found.values()]
}

function listsFor(namespaces: WatchedNamespaces, names: readonly string[]) {
  const scopes = scopesOf(namespaces)
  if (names.length === 0 || names.length > namesOneByOne) return scopes
  return scopes.flatMap(scope =>
    names.map(name => ({ ...scope, fieldSelector: `metadata.name=${name.split('/').at(-1)}` })),
  )
}
