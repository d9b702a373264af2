import type { ChallengeInstance } from '../../crd/challenge-instance.ts'
import type { ChallengeTemplate } from '../../crd/challenge-template.ts'
import type { GoneObject, KubernetesObject, Stored } from '../../crd/objects.ts'
import { type ByNamespace, createByNamespace } from './by-namespace.ts'
import { dependentOf, ownerOf } from './dependent.ts'
import { type InstanceDigest, instanceDigest } from './instance-digest.ts'
import { createIntern, type Intern } from './intern.ts'
import { createRow, type Dependent, type Row, type TemplateEntry } from './row.ts'
import type { Watched } from './targets.ts'

export interface TableEvents {
  /** The row has changed. */
  onRow(row: Row): void
  /** The instance is gone, or an instance with another uid has its name. Called before `onRow`. */
  onInstanceGone(row: Row, gone: InstanceDigest): void
  /** Nothing is left of the row. The table has dropped it. */
  onRowEmpty(row: Row): void
  /** A status names a child of a kind that is not watched. */
  onUnwatched?(): void
}

/** Everything that the watches have reported, as digests. The objects themselves are not kept. */
export interface Table {
  put(object: Stored<KubernetesObject>): void
  remove(kind: string, object: GoneObject): void
  rows(): Iterable<Row>
  /** The children and pods that lie in a namespace. */
  dependentsIn(namespace: string): Iterable<Dependent>
  /** From now on, the absence of an object of this kind means that it does not exist, or means nothing. */
  watches(kind: string, isWatched: boolean): void
}

/**
 * Creates an empty table.
 * @param unservedAtFirst kinds whose absence from the table means nothing
 */
export function createTable(
  watched: Watched,
  events: TableEvents,
  unservedAtFirst: ReadonlySet<string> = new Set(),
  intern: Intern = createIntern(),
): Table {
  const rows = createByNamespace<Row>()
  const templates = createByNamespace<TemplateEntry>()
  const dependents = new Map<string, ByNamespace<Dependent>>()
  const unserved = new Set(unservedAtFirst)

  function putInstance(object: Stored<ChallengeInstance>): void {
    const row = rowOf(object.metadata.namespace, object.metadata.name)
    const before = row.instance
    row.instance = instanceDigest(object, { row, watched, intern, unserved })
    const template = templateOf(row.namespace, row.instance.templateRef)
    if (row.template !== template) {
      unlinkTemplate(row)
      template.rows.add(row)
      row.template = template
    }
    if (before !== undefined && before.uid !== row.instance.uid) events.onInstanceGone(row, before)
    if (row.instance.children.some(({ isWatched }) => !isWatched)) events.onUnwatched?.()
    events.onRow(row)
  }

  function removeInstance({ metadata }: GoneObject): void {
    const row = rows.get(metadata.namespace, metadata.name)
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
    const entry = templates.get(metadata.namespace, metadata.name)
    if (entry?.digest?.uid !== metadata.uid) return
    entry.digest = undefined
    entry.rows.forEach(events.onRow)
    if (entry.rows.size === 0) templates.drop(entry)
  }

  function putDependent(object: Stored<KubernetesObject>): void {
    const owner = ownerOf(object, watched)
    const ofKind = dependents.get(object.kind) ?? createByNamespace<Dependent>()
    dependents.set(object.kind, ofKind)
    const before = ofKind.get(object.metadata.namespace, object.metadata.name)
    if (owner === undefined) {
      if (before) unlink(ofKind, before)
      return
    }
    const row = rowOf(owner.namespace, owner.name)
    const after = dependentOf(object, row, intern)
    if (before) before.row.dependents = before.row.dependents.filter(each => each !== before)
    row.dependents = [...row.dependents, after]
    ofKind.put(after)
    if (before && before.row !== row) rowChanged(before.row)
    events.onRow(row)
  }

  function removeDependent(kind: string, { metadata }: GoneObject): void {
    const ofKind = dependents.get(kind)
    const before = ofKind?.get(metadata.namespace, metadata.name)
    if (ofKind && before) unlink(ofKind, before)
  }

  function unlink(ofKind: ByNamespace<Dependent>, before: Dependent): void {
    ofKind.drop(before)
    before.row.dependents = before.row.dependents.filter(each => each !== before)
    rowChanged(before.row)
  }

  function unlinkTemplate(row: Row): void {
    const { template } = row
    row.template = undefined
    template?.rows.delete(row)
    if (template?.rows.size === 0 && template.digest === undefined) templates.drop(template)
  }

  /** Drops the row if nothing is left of it. */
  function rowChanged(row: Row): void {
    if (row.instance !== undefined || row.dependents.length > 0) {
      events.onRow(row)
      return
    }
    rows.drop(row)
    events.onRowEmpty(row)
  }

  function rowOf(namespace: string, name: string): Row {
    return rows.get(namespace, name) ?? rows.put(createRow(homeNamespace(namespace), name))
  }

  function templateOf(namespace: string, name: string): TemplateEntry {
    const found = templates.get(namespace, name)
    if (found) return found
    return templates.put({
      namespace: homeNamespace(namespace),
      name: intern(name),
      digest: undefined,
      rows: new Set<Row>(),
    })
  }

  /** Returns the name of a namespace of instances, as the string object that its rows and templates have already. */
  function homeNamespace(name: string): string {
    for (const index of [rows, templates])
      for (const { namespace } of index.inNamespace(name)) return namespace
    return name
  }

  function watches(kind: string, isWatched: boolean): void {
    if (isWatched) unserved.delete(kind)
    else unserved.add(kind)
    for (const row of rows.values()) {
      const ofKind = row.instance?.children.filter(child => child.kind === kind) ?? []
      for (const child of ofKind) child.isWatched = isWatched
      if (ofKind.length > 0) events.onRow(row)
    }
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
    rows: rows.values,
    *dependentsIn(namespace) {
      for (const ofKind of dependents.values()) yield* ofKind.inNamespace(namespace)
    },
    watches,
  }
}
