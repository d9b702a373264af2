import { runLimited } from '../../lib/concurrency.ts'
import { parseOperatorConfig } from '../../lib/config/operator.ts'
import type { Environment } from '../../lib/config/section.ts'
import { apiVersion } from '../../lib/crd/group.ts'
import type { Cluster } from '../../lib/kubernetes/cluster.ts'
import { openCluster } from '../../lib/kubernetes/open-cluster.ts'
import { type Database, openDatabase } from '../../lib/store/database.ts'
import { openStore } from '../../lib/store/open-store.ts'
import { countOpenRows, openRowsOf, type RowToJudge } from '../../lib/store/rows-by-cluster.ts'
import { externalDatabase, externalParts, openExternalClient } from '../parts/external-parts.ts'

export interface CloseRowsOptions {
  /** Closes the rows of this cluster. Undefined: those that name no cluster. */
  cluster: string | undefined
  /** Closes the rows. Otherwise they are only shown. */
  yes: boolean
}

type Print = (line: string) => void

/** Instances that are looked up at the same time. */
const sideBySide = 5

/**
 * `challenge-operator close-rows`: shows or closes the open rows that no operator closes, because they name no cluster or
 * one that is gone. A row is left out if KUBECONFIG names a cluster in which its instance lives.
 */
export async function runCloseRows(
  env: Environment,
  options: CloseRowsOptions,
  print: Print,
  signal: AbortSignal,
): Promise<void> {
  const { cluster: wanted, yes } = options
  const parts = externalParts(env)
  const { platform } = parseOperatorConfig(env)
  const url = externalDatabase(env)
  const client = parts.cluster ? openExternalClient(env, 'close-rows') : undefined
  const database = openDatabase({ url, max: 1, applicationName: 'close-rows' })
  try {
    const cluster = client && openCluster(client)
    await printClusters(database, cluster, print, signal)
    if (cluster === undefined)
      print(
        'KUBECONFIG is not set, so no instance is looked up. A row whose instance lives is opened again by its operator.',
      )
    const rows = await withoutLiving(await readRows(database, wanted ?? null, signal), cluster, print, signal)
    const what = wanted === undefined ? 'that name no cluster' : `of the cluster ${wanted}`
    if (rows.length === 0) return print(`There are no open rows ${what} to close.`)
    for (const row of rows) print(lineOf(row))
    if (!yes)
      return print(
        `${rows.length} open rows ${what} would be closed. Run the command again with --yes to close them.`,
      )
    const store = openStore(database, { platform, ...(parts.bus ? { bus: parts.bus.name } : {}) })
    const reason = wanted === undefined ? undefined : 'ClusterLost'
    for (const row of rows) await store.closeGone({ ...row, cluster: wanted ?? null, reason }, signal)
    print(`${rows.length} rows are closed.`)
  } finally {
    await database.destroy()
    await client?.close()
  }
}

async function printClusters(
  database: Database,
  cluster: Cluster | undefined,
  print: Print,
  signal: AbortSignal,
): Promise<void> {
  const own = await cluster?.uid(signal)
  for (const { cluster: uid, rows, newest } of await countOpenRows(database, signal)) {
    const whose = uid === null ? 'no cluster' : `the cluster ${uid}${uid === own ? ' (this one)' : ''}`
    print(`${rows} open rows name ${whose}; the newest instance is of ${newest.toISOString()}`)
  }
}

async function readRows(
  database: Database,
  cluster: string | null,
  signal: AbortSignal,
): Promise<RowToJudge[]> {
  return (await Array.fromAsync(openRowsOf(database, cluster, signal))).flat()
}

async function withoutLiving(
  rows: readonly RowToJudge[],
  cluster: Cluster | undefined,
  print: Print,
  signal: AbortSignal,
): Promise<RowToJudge[]> {
  if (cluster === undefined) return [...rows]
  const found = await runLimited(rows, sideBySide, ({ namespace, name }) =>
    cluster.getMetadata({ apiVersion, kind: 'ChallengeInstance', namespace, name }, signal),
  )
  const gone = rows.filter((row, index) => found[index]?.metadata.uid !== row.uid)
  const living = rows.length - gone.length
  if (living > 0) print(`${living} open rows are left out: their instances live in this cluster.`)
  return gone
}

function lineOf({ namespace, name, teamId, template, phase, createdAt, uid }: RowToJudge): string {
  return `${namespace}/${name}  team ${teamId}  ${template}  ${phase}  created ${createdAt.toISOString()}  ${uid}`
}
