import { clusterSection } from '../../lib/config/connections.ts'
import { operatorSection } from '../../lib/config/operator.ts'
import { type Environment, readConfig } from '../../lib/config/section.ts'
import type { ChallengeInstance } from '../../lib/crd/challenge-instance.ts'
import { apiVersion } from '../../lib/crd/group.ts'
import { scopesOf, type WatchedNamespaces } from '../../lib/crd/namespaces.ts'
import type { Stored } from '../../lib/crd/objects.ts'
import type { Cluster } from '../../lib/kubernetes/cluster.ts'
import { openCluster } from '../../lib/kubernetes/open-cluster.ts'
import { openExternalClient } from '../parts/external-parts.ts'

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

/**
 * Prints the instances of the watched namespaces as a table.
 * @param names prints only these instances; empty: all
 * @returns the names that no instance has
 */
export async function printInstances(
  cluster: Cluster,
  namespaces: WatchedNamespaces,
  names: readonly string[],
  print: (line: string) => void,
  signal: AbortSignal,
): Promise<string[]> {
  const rows: string[][] = []
  const found = new Set<string>()
  for (const scope of scopesOf(namespaces))
    for await (const page of cluster.list<ChallengeInstance>(
      { apiVersion, kind: 'ChallengeInstance' },
      scope,
      signal,
    ))
      for (const each of page.filter(({ metadata }) => names.length === 0 || names.includes(metadata.name))) {
        rows.push(row(each))
        found.add(each.metadata.name)
      }
  const missing = names.filter(name => !found.has(name))
  if (rows.length > 0) printTable(rows, print)
  if (missing.length > 0) print(`No instance is called ${missing.join(' or ')}.`)
  else if (rows.length === 0) print('There are no instances.')
  return missing
}

function printTable(rows: readonly string[][], print: (line: string) => void): void {
  const widths = columns.map((title, index) =>
    Math.max(title.length, ...rows.map(cells => (cells[index] ?? '').length)),
  )
  for (const cells of [columns, ...rows])
    print(
      cells
        .map((cell, index) => cell.padEnd(widths[index] ?? 0))
        .join('  ')
        .trimEnd(),
    )
}

function row({ metadata, spec, status }: Stored<ChallengeInstance>): string[] {
  const synced = status?.conditions?.find(each => each.type === 'Synced')
  return [
    metadata.namespace,
    metadata.name,
    metadata.deletionTimestamp === undefined ? (status?.phase ?? '-') : 'Terminating',
    spec.templateRef,
    String(spec.owner.teamId),
    String(spec.owner.eventId),
    status?.url ?? '-',
    status?.expiresAt ?? 'never',
    synced ? (synced.status === 'True' ? 'yes' : synced.reason) : '-',
    status?.reason ?? '-',
  ]
}

/** `challenge-operator get`: prints instances. @returns the exit code, 1 if no instance has one of the names */
export async function runGet(
  env: Environment,
  names: readonly string[],
  print: (line: string) => void,
  signal: AbortSignal,
): Promise<number> {
  const { namespaces } = readConfig(env, { operator: operatorSection, cluster: clusterSection }).operator
  const client = openExternalClient(env, 'get')
  try {
    const missing = await printInstances(openCluster(client), namespaces, names, print, signal)
    return missing.length === 0 ? 0 : 1
  } finally {
    await client.close()
  }
}
