import type { ChallengeInstance } from '../../../lib/crd/challenge-instance.ts'
import { apiVersion } from '../../../lib/crd/group.ts'
import { scopesOf, type WatchedNamespaces } from '../../../lib/crd/namespaces.ts'
import type { GoneObject, Stored } from '../../../lib/crd/objects.ts'
import type { KubernetesClient } from '../../../lib/kubernetes/client/http.ts'
import { watch } from '../../../lib/kubernetes/watch/watch.ts'
import { type Log, silentLog } from '../../../lib/telemetry/log.ts'
import { isSelected, type Selection } from '../actions/selection.ts'
import { jsonChange } from './json.ts'
import { goneRow, rowOf, tableOf } from './table.ts'

export interface WatchInstancesOptions {
  client: KubernetesClient
  namespaces: WatchedNamespaces
  selection: Selection
  json: boolean
  print: (line: string) => void
  /** Gets a sentence when the cluster cannot be watched for a while. */
  warn: (line: string) => void
}

/**
 * Prints the selected instances, then each change of what a row shows, until the signal aborts. An instance that leaves the
 * selection is printed once more.
 */
export async function watchInstances(options: WatchInstancesOptions, signal: AbortSignal): Promise<void> {
  const { client, namespaces, selection, json, print } = options
  const shown = new Map<string, { instance: Stored<ChallengeInstance>; row: string[] }>()
  const scopes = scopesOf(namespaces)
  let listsAwaited = scopes.length
  let table = tableOf([])

  const show = (instance: Stored<ChallengeInstance>, row: string[], type: 'MODIFIED' | 'DELETED') => {
    if (listsAwaited > 0) return
    print(json ? jsonChange(type, instance) : table.line(row))
  }
  const onObject = (instance: Stored<ChallengeInstance>) => {
    const { uid } = instance.metadata
    const before = shown.get(uid)
    const selected = isSelected(instance, selection)
    if (!selected && before === undefined) return
    const row = rowOf(instance)
    if (selected) shown.set(uid, { instance, row })
    else shown.delete(uid)
    if (before?.row.join('\n') !== row.join('\n')) show(instance, row, 'MODIFIED')
  }
  const onGone = ({ metadata: { uid } }: GoneObject) => {
    const last = shown.get(uid)
    if (last === undefined || !shown.delete(uid)) return
    show(last.instance, goneRow(last.row), 'DELETED')
  }
  const onListed = () => {
    if (listsAwaited === 0 || --listsAwaited > 0) return
    const all = [...shown.values()]
    table = tableOf(all.map(({ row }) => row))
    if (!json) print(table.head)
    for (const { instance, row } of all) show(instance, row, 'MODIFIED')
  }

  const log = logTo(options.warn)
  const running = scopes.map(scope =>
    watch<ChallengeInstance>(
      client,
      { apiVersion, kind: 'ChallengeInstance', ...scope },
      { onObject, onGone, onListed },
      { log },
      signal,
    ),
  )
  await Promise.all(running)
}

/** What a person has to know of the log of a watch. */
function logTo(warn: (line: string) => void): Log {
  const line = (message: string, fields: Record<string, unknown> = {}) => {
    const { error } = fields
    warn(`${message}${error instanceof Error ? `: ${error.message}` : ''}`)
  }
  return { ...silentLog, warn: line, error: line, child: () => logTo(warn) }
}
