import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseAllDocuments } from 'yaml'
import type { ChallengeInstance } from '../../lib/crd/challenge-instance.ts'
import type { ChallengeTemplate } from '../../lib/crd/challenge-template.ts'
import type { KubernetesObject } from '../../lib/crd/objects.ts'
import type { Cluster } from '../../lib/kubernetes/cluster.ts'

export interface Samples {
  templates: ChallengeTemplate[]
  instances: ChallengeInstance[]
}

/** Reads `manifests/samples/`. Every object gets this namespace. */
export async function readSamples(directory: string, namespace: string): Promise<Samples> {
  const files = (await readdir(directory)).filter(file => file.endsWith('.yaml')).toSorted()
  const texts = await Promise.all(files.map(file => readFile(join(directory, file), 'utf8')))
  const objects = texts
    .flatMap(text => parseAllDocuments(text).map(document => document.toJS() as KubernetesObject | null))
    .filter(object => object !== null)
    .map(object => ({ ...object, metadata: { ...object.metadata, namespace } }))
  const of = (kind: string) => objects.filter(object => object.kind === kind)
  return {
    templates: of('ChallengeTemplate') as ChallengeTemplate[],
    instances: of('ChallengeInstance') as ChallengeInstance[],
  }
}

/** Applies the samples, templates first. Applying them again changes nothing. */
export async function applySamples(cluster: Cluster, samples: Samples, signal: AbortSignal): Promise<void> {
  for (const object of [...samples.templates, ...samples.instances]) await cluster.apply(object, signal)
}

/** The challenges and teams that the platform's tables need, so that the rows of the samples can be written. */
export function platformFacts({ templates, instances }: Samples): { challenges: string[]; teams: number[] } {
  return {
    challenges: templates.map(template => template.metadata.name ?? ''),
    teams: [...new Set(instances.map(instance => instance.spec.owner.teamId))],
  }
}
