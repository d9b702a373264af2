import type { ChallengeInstance } from '../../../lib/crd/challenge-instance.ts'
import type { Stored } from '../../../lib/crd/objects.ts'
import { shownPhase } from '../actions/selection.ts'

const columns = [
  'NAMESPACE',
  'NAME',
  'PHASE',
  'TEMPLATE',
  'TEAM',
  'EVENT',
  'URL',
  'EXPIRES',
  'SYNCED',
  'REASON',
]

/** Formats rows under their titles. A later row may be wider than a column. */
export interface Table {
  head: string
  line(cells: readonly string[]): string
}

/** @param rows the rows that set the widths */
export function tableOf(rows: readonly (readonly string[])[], titles: readonly string[] = columns): Table {
  const widths = titles.map((title, index) =>
    Math.max(title.length, ...rows.map(cells => (cells[index] ?? '').length)),
  )
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, index) => cell.padEnd(widths[index] ?? 0))
      .join('  ')
      .trimEnd()
  return { head: line(titles), line }
}

export function rowOf(instance: Stored<ChallengeInstance>): string[] {
  const { metadata, spec, status } = instance
  const synced = status?.conditions?.find(each => each.type === 'Synced')
  return [
    metadata.namespace,
    metadata.name,
    shownPhase(instance) ?? '-',
    spec.templateRef,
    String(spec.owner.teamId),
    String(spec.owner.eventId),
    status?.url ?? '-',
    status?.expiresAt ?? 'never',
    synced ? (synced.status === 'True' ? 'yes' : synced.reason) : '-',
    status?.reason ?? '-',
  ]
}

/** The row of an instance that is gone. */
export function goneRow(last: readonly string[]): string[] {
  return last.map((cell, index) => (columns[index] === 'PHASE' ? 'Gone' : cell))
}
