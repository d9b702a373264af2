import type { KubernetesObject } from '../crd/objects.ts'
import type { Cluster } from '../kubernetes/cluster.ts'

/**
 * Returns the version of a Secret; undefined: there is none. The Secret is listed by its name, since the sweep has no right
 * to get one.
 */
export async function secretVersion(
  cluster: Pick<Cluster, 'list'>,
  { namespace, name }: { namespace: string; name: string },
  signal: AbortSignal,
): Promise<string | undefined> {
  const selection = { namespace, metadataOnly: true, fieldSelector: `metadata.name=${name}` }
  for await (const [found] of cluster.list<KubernetesObject>(
    { apiVersion: 'v1', kind: 'Secret' },
    selection,
    signal,
  ))
    if (found) return found.metadata.resourceVersion
  return undefined
}
