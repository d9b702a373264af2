import type { ChallengeInstance } from '../crd/challenge-instance.ts'
import type { ChallengeTemplate } from '../crd/challenge-template.ts'
import type { KubernetesObject, ObjectMeta } from '../crd/objects.ts'
import { dependentOf, ownerOf } from './dependent.ts'
import { type InstanceDigest, instanceDigest } from './instance-digest.ts'
import { createRow, type Dependent, type Row, type TemplateEntry } from './row.ts'
import type { Watched } from './targets.ts'

export interface TableEvents {
  /** Something of the row is not as it was: judge it. */
  onRow(row: Row): void
  /** The instance is gone, or stands under another uid now. Told before `onRow`. */
  onInstanceGone(row: Row, gone: InstanceDigest): void
  /** Nothing is left of the row. */
  onRowEmpty(row: Row): void
}

/** What the watches have told, as digests: an object's bytes are dropped as soon as it was told. */
export interface Table {
  put(object: KubernetesObject): void
  remove(kind: string, object: { metadata: ObjectMeta }): void
  rows(): Iterable<Row>
}

/** Two levels instead of joined keys: the names are there already, a joined key would be one more string an object. */
type Names<T> = Map<string, Map<string, T>>

export function createTable(watched: Watched, events: TableEvents): Table {
  const rows: Names<Row> = new Map()
  const templates: Names<TemplateEntry> = new Map()
  const dependents = new Map<string, Names<Dependent>>()
  const known = new Map<string, string>()

  function intern(text: string): string {
    const before = known.get(text)
    if (before === undefined) known.set(text, text)
    return before ?? text
  }

  function putInstance(object: ChallengeInstance): void {
    const row = rowOf(object.metadata.namespace ?? '', object.metadata.name ?? '')
    const before = row.instance
    row.instance = instanceDigest(object, watched, intern)
    const template = templateOf(row.namespace, row.instance.templateRef)
    if (row.template !== template) {
      unlinkTemplate(row)
      template.rows.add(row)
      row.template = template
    }
    if (before !== undefined && before.uid !== row.instance.uid) events.onInstanceGone(row, before)
    events.onRow(row)
  }

  function removeInstance({ metadata }: { metadata: ObjectMeta }): void {
    const row = rows.get(metadata.namespace ?? '')?.get(metadata.name ?? '')
    const gone = row?.instance
    if (row === undefined || gone === undefined || gone.uid !== (metadata.uid ?? gone.uid)) return
    row.instance = undefined
    unlinkTemplate(row)
    events.onInstanceGone(row, gone)
    settle(row)
  }

  function putTemplate({ metadata, spec }: ChallengeTemplate): void {
    const entry = templateOf(metadata.namespace ?? '', metadata.name ?? '')
    const { uid = '', generation = 0 } = metadata
    const same = entry.digest?.uid === uid && entry.digest.generation === generation
    entry.digest = { uid: intern(uid), generation, keep: spec.updateStrategy === 'Keep' }
    if (!same) entry.rows.forEach(events.onRow)
  }

  function removeTemplate({ metadata }: { metadata: ObjectMeta }): void {
    const entry = templates.get(metadata.namespace ?? '')?.get(metadata.name ?? '')
    if (entry?.digest === undefined || entry.digest.uid !== (metadata.uid ?? entry.digest.uid)) return
    entry.digest = undefined
    entry.rows.forEach(events.onRow)
    if (entry.rows.size === 0) drop(templates, entry)
  }

  function putDependent(object: KubernetesObject): void {
    const owner = ownerOf(object, watched)
    const ofKind: Names<Dependent> = dependents.get(object.kind) ?? new Map()
    dependents.set(object.kind, ofKind)
    const before = ofKind.get(object.metadata.namespace ?? '')?.get(object.metadata.name ?? '')
    if (owner === undefined) {
      if (before) unlink(ofKind, before)
      return
    }
    const row = rowOf(intern(owner.namespace), owner.name)
    const after = dependentOf(object, row, intern)
    if (before) before.row.dependents = before.row.dependents.filter(each => each !== before)
    row.dependents = [...row.dependents, after]
    place(ofKind, after.namespace, after.name, after)
    if (before && before.row !== row) settle(before.row)
    events.onRow(row)
  }

  function removeDependent(kind: string, { metadata }: { metadata: ObjectMeta }): void {
    const ofKind = dependents.get(kind)
    const before = ofKind?.get(metadata.namespace ?? '')?.get(metadata.name ?? '')
    if (ofKind && before) unlink(ofKind, before)
  }

  function unlink(ofKind: Names<Dependent>, before: Dependent): void {
    drop(ofKind, before)
    before.row.dependents = before.row.dependents.filter(each => each !== before)
    settle(before.row)
  }

  function unlinkTemplate(row: Row): void {
    const { template } = row
    row.template = undefined
    template?.rows.delete(row)
    if (template?.rows.size === 0 && template.digest === undefined) drop(templates, template)
  }

  function settle(row: Row): void {
    if (row.instance !== undefined || row.dependents.length > 0) {
      events.onRow(row)
      return
    }
    drop(rows, row)
    events.onRowEmpty(row)
  }

  function rowOf(namespace: string, name: string): Row {
    return rows.get(namespace)?.get(name) ?? place(rows, namespace, name, createRow(intern(namespace), name))
  }

  function templateOf(namespace: string, name: string): TemplateEntry {
    const found = templates.get(namespace)?.get(name)
    if (found) return found
    const entry = {
      namespace: intern(namespace),
      name: intern(name),
      digest: undefined,
      rows: new Set<Row>(),
    }
    return place(templates, namespace, name, entry)
  }

  return {
    put(object) {
      if (object.kind === 'ChallengeInstance') putInstance(object as ChallengeInstance)
      else if (object.kind === 'ChallengeTemplate') putTemplate(object as ChallengeTemplate)
      else putDependent(object)
    },
    remove(kind, object) {
      if (kind === 'ChallengeInstance') removeInstance(object)
      else if (kind === 'ChallengeTemplate') removeTemplate(object)
      else removeDependent(kind, object)
    },
    *rows() {
      for (const named of rows.values()) yield* named.values()
    },
  }
}

function place<T>(index: Names<T>, namespace: string, name: string, value: T): T {
  const named = index.get(namespace) ?? new Map<string, T>()
  index.set(namespace, named.set(name, value))
  return value
}

function drop<T extends { namespace: string; name: string }>(index: Names<T>, value: T): void {
  const named = index.get(value.namespace)
  named?.delete(value.name)
  if (named?.size === 0) index.delete(value.namespace)
}
