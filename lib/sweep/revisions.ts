import type { ChallengeTemplate } from '../crd/challenge-template.ts'
import { labels } from '../crd/group.ts'
import type { KubernetesObject, Stored } from '../crd/objects.ts'
import { isRevisionOf, revisionName } from '../desired/template-revision.ts'
import { isMarkedOfLate } from '../desired/unused.ts'
import { drift, type Mismatch, unchangedForGrace } from './mismatch.ts'
import type { SweptInstance } from './swept-instance.ts'

/** Templates, and the Secrets of a resync, some of which are revisions of templates. */
interface Listed {
  children: readonly Stored<KubernetesObject>[]
  templates: readonly Stored<ChallengeTemplate>[]
}

/**
 * Returns the revisions that no instance uses, and that keep no template that exists. One that was marked as unused is
 * left out until it has been unused for `unusedMs`.
 */
export function unusedRevisions(
  { children, templates }: Listed,
  instances: Iterable<SweptInstance>,
  now: number,
): Stored<KubernetesObject>[] {
  const needed = new Set(templates.map(each => keyOf(each.metadata.namespace, revisionName(each))))
  for (const { namespace, revision } of instances) if (revision) needed.add(keyOf(namespace, revision))
  return children
    .filter(isRevision)
    .filter(({ metadata }) => !needed.has(keyOf(metadata.namespace, metadata.name)))
    .filter(({ metadata }) => !isMarkedOfLate(metadata, now))
}

/**
 * Returns one instance of each revision that is gone although its template exists. The pass of that instance writes the
 * revision again.
 */
export function missingRevisions(
  { children, templates }: Listed,
  instances: Iterable<SweptInstance>,
  now: number,
): Mismatch[] {
  const kept = new Set(
    children.filter(isRevision).map(({ metadata }) => keyOf(metadata.namespace, metadata.name)),
  )
  const existing = new Map(templates.map(each => [keyOf(each.metadata.namespace, each.metadata.name), each]))
  const first = new Map<string, SweptInstance>()
  for (const instance of instances) {
    const { namespace, revision, templateRef } = instance
    const template = existing.get(keyOf(namespace, templateRef))
    if (revision === undefined || template === undefined || !unchangedForGrace(instance, now)) continue
    const key = keyOf(namespace, revision)
    if (isRevisionOf(revision, template) && !kept.has(key) && !first.has(key)) first.set(key, instance)
  }
  return [...first.values()].map(drift)
}

function isRevision({ kind, metadata }: Stored<KubernetesObject>): boolean {
  return kind === 'Secret' && metadata.labels?.[labels.templateRevision] !== undefined
}

function keyOf(namespace: string, name: string): string {
  return `${namespace}/${name}`
}
