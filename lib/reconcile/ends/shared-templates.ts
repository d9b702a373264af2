import { remember } from '../../bounded-cache.ts'
import type { ChallengeTemplate } from '../../crd/challenge-template.ts'
import { apiVersion } from '../../crd/group.ts'
import type { Stored } from '../../crd/objects.ts'
import type { Cluster } from '../../kubernetes/cluster.ts'

/**
 * How old a template may be by which an end is judged, in milliseconds. An edit in the last second before an end may come
 * too late in any case: its watch event, and the pass that it wakes, take time as well.
 */
export const sharedMs = 1_000

/** More templates than end at once. */
const memoryLimit = 1_000

type Found = Promise<Stored<ChallengeTemplate> | undefined>

export type ReadSharedTemplate = (key: { namespace: string; name: string }, signal: AbortSignal) => Found

/** Reads templates. Instances of one template that end together share one read. @param now epoch milliseconds */
export function createSharedTemplates(cluster: Pick<Cluster, 'get'>, now: () => number): ReadSharedTemplate {
  const reads = new Map<string, { startedAt: number; found: Found }>()
  return ({ namespace, name }, signal) => {
    const key = `${namespace}/${name}`
    const known = reads.get(key)
    if (known && Math.abs(now() - known.startedAt) < sharedMs) return known.found
    const reference = { apiVersion, kind: 'ChallengeTemplate', namespace, name }
    const found: Found = cluster.get<ChallengeTemplate>(reference, signal).catch(thrown => {
      // The next pass reads it anew.
      if (reads.get(key)?.found === found) reads.delete(key)
      throw thrown
    })
    remember(reads, memoryLimit, key, { startedAt: now(), found })
    return found
  }
}
