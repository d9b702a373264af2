import { remember } from '../../bounded-cache.ts'
import type { KnownTemplate } from '../../crd/challenge-template.ts'
import type { Named, Secret } from '../../crd/objects.ts'
import { templateOfRevision, templateRevision } from '../../desired/template-revision.ts'
import { trustMs } from '../../desired/unused.ts'
import type { Cluster } from '../../kubernetes/cluster.ts'
import type { Log } from '../../telemetry/log.ts'

/** The Secrets that keep templates as instances took them up. */
export interface Revisions {
  /**
   * Makes sure that the template is kept. Costs one call for each revision and process.
   * `recheck`: makes the call again, because the Secret may be gone.
   */
  keep(template: KnownTemplate, options: { recheck: boolean }, signal: AbortSignal): Promise<void>
  /** @returns undefined if no Secret keeps the template of this revision any more */
  read(revision: { namespace: string; name: string }, signal: AbortSignal): Promise<KnownTemplate | undefined>
}

/** The most revisions that are remembered. */
const memoryLimit = 1_000

/** The most templates whose content is remembered. One may have a megabyte, and usually has a few kilobytes. */
const contentLimit = 50

/** @param now epoch milliseconds */
export function createRevisions({
  cluster,
  now,
  log,
}: {
  cluster: Cluster
  now: () => number
  log: Log
}): Revisions {
  const keptUntil = new Map<string, number>()
  const contents = new Map<string, KnownTemplate>()

  return {
    async keep(template, { recheck }, signal) {
      const secret = templateRevision(template)
      const key = keyOf(secret.metadata)
      if (!recheck && (keptUntil.get(key) ?? 0) > now()) return
      await cluster.create(secret, signal)
      remember(keptUntil, memoryLimit, key, now() + trustMs)
    },
    async read(revision, signal) {
      const key = keyOf(revision)
      const known = contents.get(key)
      if (known !== undefined) return known
      const secret = await cluster.get<Named<Secret>>(
        { apiVersion: 'v1', kind: 'Secret', ...revision },
        signal,
      )
      const template = secret && templateOfRevision(secret)
      if (template === undefined)
        log.warn('revision of a template lost', { ...revision, found: secret !== undefined })
      else remember(contents, contentLimit, key, template)
      return template
    },
  }
}

function keyOf({ namespace, name }: { namespace: string; name: string }): string {
  return `${namespace}/${name}`
}
