import type { ChallengeInstance } from '../../lib/crd/challenge-instance.ts'
import type { ChallengeTemplate } from '../../lib/crd/challenge-template.ts'
import type { Named } from '../../lib/crd/objects.ts'
import type { Cluster } from '../../lib/kubernetes/cluster.ts'
import { readManifests } from '../../lib/kubernetes/install/manifests.ts'

export interface Samples {
  templates: Named<ChallengeTemplate>[]
  instances: Named<ChallengeInstance>[]
}

/** Reads `manifests/samples/`. Every object gets this namespace. */
export async function readSamples(namespace: string): Promise<Samples> {
  const objects = (await readManifests('samples')).map(object => ({
    ...object,
    metadata: { ...object.metadata, namespace },
  }))
  const of = (kind: string) => objects.filter(object => object.kind === kind)
  return {
    templates: of('ChallengeTemplate') as Named<ChallengeTemplate>[],
    instances: of('ChallengeInstance') as Named<ChallengeInstance>[],
  }
}

/** Applies the samples, templates first. Applying them again changes nothing. */
export async function applySamples(cluster: Cluster, samples: Samples, signal: AbortSignal): Promise<void> {
  for (const object of [...samples.templates, ...samples.instances]) await cluster.apply(object, signal)
}

/** The challenges and teams that the platform's tables need, so that the rows of the samples can be written. */
export function platformFacts({ templates, instances }: Samples): { challenges: string[]; teams: number[] } {
  return {
    challenges: templates.map(template => template.metadata.name),
    teams: [...new Set(instances.map(instance => instance.spec.owner.teamId))],
  }
}
