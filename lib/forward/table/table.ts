import { remember } from '../../bounded-cache.ts'
import type { ChallengeInstance } from '../../crd/challenge-instance.ts'
import type { ChallengeTemplate } from '../../crd/challenge-template.ts'
import type { GoneObject, KubernetesObject, Stored } from '../../crd/objects.ts'
import { dependentOf, ownerOf } from './dependent.ts'
import { type InstanceDigest, instanceDigest } from './instance-digest.ts'
import { createRow, type Dependent, type Row, type TemplateEntry } from './row.ts'
import type { Watched } from './targets.ts'

export interface TableEvents {
  /** The row has changed. */
  onRow(row: Row): void
  /** The instance is gone, or an instance with another uid has its name. Called before `onRow`. */
  onInstanceGone(row: Row, gone: InstanceDigest): void
  /** Nothing is left of the row. The table has dropped it. */
  onRowEmpty(row: Row): void
}

/** Everything that the watches have reported, as digests. The objects themselves are not kept. */
export interface Table {
  put(object: Stored<KubernetesObject>): void
  remove(kind: string, object: GoneObject): void
  rows(): Iterable<Row>
}

/** Namespace → name → value. The two strings exist already; a joined key would be one more string for each object. */
type ByName<T> = Map<string, Map<string, T>>

/**
 * The most strings that are shared. The names of templates and namespaces that are gone would pile up otherwise, and a
 * forwarder may run for weeks. A cluster has fewer at the same time.
 */
const internLimit = 20_000

/**
 * Creates an empty table.
 * @param unserved kinds whose absence from the table means nothing
 */
export function createTable(
  watched: Watched,
  events: TableEvents,
  unserved: ReadonlySet<string> = new Set(),
): Table {
  const rows: ByName<Row> = new Map()
  const templates: ByName<TemplateEntry> = new Map()
  const dependents = new Map<string, ByName<Dependent>>()
  const interned = new Map<string, string>()

  function intern(text: string): string {
    const known = interned.get(text)
    if (known === undefined) remember(interned, internLimit, text, text)
    return known ?? text
  }

  function putInstance(object: Stored<ChallengeInstance>): void {
    const row = rowOf(object.metadata.namespace, object.metadata.name)
    const before = row.instance
    row.instance = instanceDigest(object, watched, intern)
    if (unserved.size > 0)
      row.instance.children = row.instance.children.filter(({ kind }) => !unserved.has(kind))
    const template = templateOf(row.namespace, row.instance.templateRef)
    if (row.template !== template) {
      unlinkTemplate(row)
      template.rows.add(row)
      row.template = template
    }
    if (before !== undefined && before.uid !== row.instance.uid) events.onInstanceGone(row, before)
    events.onRow(row)
  }

  function removeInstance({ metadata }: GoneObject): void {
    const row = rows.get(metadata.namespace)?.get(metadata.name)
    const gone = row?.instance
    if (row === undefined || gone === undefined || gone.uid !== metadata.uid) return
    row.instance = undefined
    unlinkTemplate(row)
    events.onInstanceGone(row, gone)
    rowChanged(row)
  }

  function putTemplate({ metadata, spec }: Stored<ChallengeTemplate>): void {
    const { namespace, name, uid, generation = 0 } = metadata
    const entry = templateOf(namespace, name)
    const same = entry.digest?.uid === uid && entry.digest.generation === generation
    entry.digest = { uid: intern(uid), generation, keep: spec.updateStrategy === 'Keep' }
    if (!same) entry.rows.forEach(events.onRow)
  }

  function removeTemplate({ metadata }: GoneObject): void {
    const entry = templates.get(metadata.namespace)?.get(metadata.name)
    if (entry?.digest?.uid !== metadata.uid) return
    entry.digest = undefined
    entry.rows.forEach(events.onRow)
    if (entry.rows.size === 0) drop(templates, entry)
  }

  function putDependent(object: Stored<KubernetesObject>): void {
    const owner = ownerOf(object, watched)
    const ofKind: ByName<Dependent> = dependents.get(object.kind) ?? new Map()
    dependents.set(object.kind, ofKind)
    const before = ofKind.get(object.metadata.namespace)?.get(object.metadata.name)
    if (owner === undefined) {
      if (before) unlink(ofKind, before)
      return
    }
    const row = rowOf(intern(owner.namespace), owner.name)
    const after = dependentOf(object, row, intern)
    if (before) before.row.dependents = before.row.dependents.filter(each => each !== before)
    row.dependents = [...row.dependents, after]
    place(ofKind, after.namespace, after.name, after)
    if (before && before.row !== row) rowChanged(before.row)
    events.onRow(row)
  }

  function removeDependent(kind: string, { metadata }: GoneObject): void {
    const ofKind = dependents.get(kind)
    const before = ofKind?.get(metadata.namespace)?.get(metadata.name)
    if (ofKind && before) unlink(ofKind, before)
  }

  function unlink(ofKind: ByName<Dependent>, before: Dependent): void {
    drop(ofKind, before)
    before.row.dependents = before.row.dependents.filter(each => each !== before)
    rowChanged(before.row)
  }

  function unlinkTemplate(row: Row): void {
    const { template } = row
    row.template = undefined
    template?.rows.delete(row)
    if (template?.rows.size === 0 && template.digest === undefined) drop(templates, template)
  }

  /** Drops the row if nothing is left of it. */
  function rowChanged(row: Row): void {
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
      if (object.kind === 'ChallengeInstance') putInstance(object as Stored<ChallengeInstance>)
      else if (object.kind === 'ChallengeTemplate') putTemplate(object as Stored<ChallengeTemplate>)
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

function place<T>(index: ByName<T>, namespace: string, name: string, value: T): T {
  const named = index.get(namespace) ?? new Map<string, T>()
  index.set(namespace, named.set(name, value))
  return value
}

function drop<T extends { namespace: string; name: string }>(index: ByName<T>, value: T): void {
  const named = index.get(value.namespace)
  named?.delete(value.name)
  if (named?.size === 0) index.delete(value.namespace)
}
