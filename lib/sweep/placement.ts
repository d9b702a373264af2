import type { ChallengeTemplate } from '../crd/challenge-template.ts'
import { labels, managedBySelector } from '../crd/group.ts'
import type { KubernetesObject, Stored, StoredOfAnyScope } from '../crd/objects.ts'
import { copiedSecretName } from '../desired/identity.ts'
import type { Cluster } from '../kubernetes/cluster.ts'
import type { NeededCopy } from './copied-secrets.ts'
import { secretVersion } from './secret-version.ts'
import type { SweptInstance } from './swept-instance.ts'

/** Lists what only placements other than `Shared` need. */
export interface PlacementLists {
  /** The metadata of the namespaces that an operator made. */
  namespaces(signal: AbortSignal): Promise<StoredOfAnyScope<KubernetesObject>[]>
  /** The copies of pull secrets that the workloads of these templates need, with the versions of their sources. */
  pullSecretCopies(
    templates: readonly Stored<ChallengeTemplate>[],
    instances: Iterable<SweptInstance>,
    signal: AbortSignal,
  ): Promise<NeededCopy[]>
}

export function createPlacementLists(cluster: Cluster): PlacementLists {
  return {
    async namespaces(signal) {
      const found: StoredOfAnyScope<KubernetesObject>[] = []
      const selection = { labelSelector: `${managedBySelector},${labels.placement}`, metadataOnly: true }
      for await (const page of cluster.listClusterScoped(
        { apiVersion: 'v1', kind: 'Namespace' },
        selection,
        signal,
      ))
        found.push(...page)
      return found
    },
    async pullSecretCopies(templates, instances, signal) {
      const byTemplate = Map.groupBy(instances, ({ namespace, templateRef }) => `${namespace}/${templateRef}`)
      const needed: NeededCopy[] = []
      for (const { metadata, spec } of templates) {
        const { namespace } = metadata
        const elsewhere = (byTemplate.get(`${namespace}/${metadata.name}`) ?? []).filter(
          each => workloadNamespaceOf(each) !== namespace,
        )
        if (elsewhere.length === 0) continue
        for (const name of spec.imagePullSecrets ?? []) {
          const sourceVersion = await secretVersion(cluster, { namespace, name }, signal)
          needed.push(
            ...elsewhere.map(instance => {
              const place = workloadNamespaceOf(instance)
              const copy = { namespace: place, name: copiedSecretName({ namespace, name }, place) }
              return { copy, sourceVersion, instance }
            }),
          )
        }
      }
      return needed
    },
  }
}

/** An instance without children counts as one beside which its workload runs: it needs nothing elsewhere yet. */
function workloadNamespaceOf({ namespace, children }: SweptInstance): string {
  const [child] = children.values()
  return child?.namespace ?? namespace
}
