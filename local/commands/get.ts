import { clusterSection } from '../../lib/config/connections.ts'
import { operatorSection } from '../../lib/config/operator.ts'
import { type Environment, readConfig } from '../../lib/config/section.ts'
import type { WatchedNamespaces } from '../../lib/crd/namespaces.ts'
import { createRetryingClient } from '../../lib/kubernetes/client/retrying-client.ts'
import type { Cluster } from '../../lib/kubernetes/cluster.ts'
import { openCluster } from '../../lib/kubernetes/open-cluster.ts'
import { openExternalClient } from '../parts/external-parts.ts'
import { readSelected } from './actions/read-selected.ts'
import { namesWithoutInstance, type Selection, selectsEverything } from './actions/selection.ts'
import { jsonList } from './get/json.ts'
import { rowOf, tableOf } from './get/table.ts'
import { watchInstances } from './get/watch-instances.ts'

export interface GetOptions {
  selection: Selection
  /** Prints every change until the signal aborts. */
  watch: boolean
  json: boolean
  print: (line: string) => void
  /** Gets what is not part of the output. */
  warn: (line: string) => void
}

/**
 * Prints the selected instances of the watched namespaces.
 * @returns the names that no selected instance has
 */
export async function printInstances(
  cluster: Cluster,
  namespaces: WatchedNamespaces,
  { selection, json, print, warn }: GetOptions,
  signal: AbortSignal,
): Promise<string[]> {
  const instances = await readSelected(cluster, namespaces, selection, signal)
  const missing = namesWithoutInstance(instances, selection.names)
  if (json) print(jsonList(instances))
  else if (instances.length > 0) {
    const rows = instances.map(rowOf)
    const table = tableOf(rows)
    for (const line of [table.head, ...rows.map(table.line)]) print(line)
  }
  if (missing.length > 0) warn(`No instance is called ${missing.join(' or ')}.`)
  else if (instances.length === 0)
    warn(selectsEverything(selection) ? 'There are no instances.' : 'No instance fits the selection.')
  return missing
}

/** `challenge-operator get`: prints instances. @returns the exit code, 1 if no instance has one of the names */
export async function runGet(env: Environment, options: GetOptions, signal: AbortSignal): Promise<number> {
  const { namespaces } = readConfig(env, { operator: operatorSection, cluster: clusterSection }).operator
  const client = openExternalClient(env, 'get')
  try {
    const { watch, ...rest } = options
    if (watch) {
      await watchInstances({ client, namespaces, ...rest }, signal)
      return 0
    }
    const cluster = openCluster(createRetryingClient(client))
    const missing = await printInstances(cluster, namespaces, options, signal)
    return missing.length === 0 ? 0 : 1
  } finally {
    await client.close()
  }
}
