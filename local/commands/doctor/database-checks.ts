import type { OperatorConfig } from '../../../lib/config/operator.ts'
import { type Check, type Finding, note } from '../../../lib/doctor/check.ts'
import { type Database, openDatabase } from '../../../lib/store/database.ts'
import { tablesFinding } from '../../../lib/store/examination.ts'
import { examine } from '../../../lib/store/examine.ts'
import type { DatabaseAddress } from '../../../lib/store/pools.ts'
import { countOpenRows } from '../../../lib/store/rows-by-cluster.ts'
import { tlsFindings } from '../../../lib/store/tls-findings.ts'
import type { RowsOfCluster } from '../../../lib/store/wholeness.ts'
import type { ExternalParts } from '../../parts/external-parts.ts'
import { clockFinding } from './check.ts'

export function databaseChecks(
  { databaseUrl }: ExternalParts,
  { platform }: Pick<OperatorConfig, 'platform'>,
): Check[] {
  if (databaseUrl === undefined)
    return [note('database', 'DATABASE_URL is not set; npm start starts Postgres')]
  const withDatabase =
    (look: (database: Database, signal: AbortSignal) => Promise<Finding | Finding[]>) =>
    async (signal: AbortSignal) => {
      const database = openDatabase({ url: databaseUrl, max: 1, applicationName: 'doctor' })
      try {
        return await look(database, signal)
      } finally {
        await database.destroy()
      }
    }
  const urlOf = async (database: string | DatabaseAddress) =>
    typeof database === 'string' ? database : database.url()
  const remedy = 'check DATABASE_URL, and that Postgres accepts connections from this machine'
  return [
    {
      name: 'database',
      remedy,
      look: withDatabase(async (database, signal) => {
        // The first query connects, which takes time that is not the clock's.
        await examine(database, signal)
        const before = Date.now()
        const found = await examine(database, signal)
        const times = { there: found.epochMs, before, after: Date.now(), exactMs: 0 }
        return [
          tablesFinding(found, platform),
          ...tlsFindings(await urlOf(databaseUrl)),
          clockFinding('the database', times),
        ]
      }),
    },
    {
      name: 'rows',
      needs: 'database',
      remedy,
      look: withDatabase(async (database, signal) => rowsFinding(await countOpenRows(database, signal))),
    },
  ]
}

function rowsFinding(counts: readonly RowsOfCluster[]): Finding {
  const unclaimed = counts.find(each => each.cluster === null)?.rows ?? 0
  if (unclaimed > 0)
    return {
      problem: `${unclaimed} open rows name no cluster, so no operator closes them`,
      remedy:
        'wait some minutes after an upgrade: each living instance claims its row; see the rest: npx challenge-operator close-rows',
    }
  const clusters = counts.map(({ cluster, rows }) => `${rows} of the cluster ${cluster}`)
  return { fine: clusters.length === 0 ? 'no row is open' : `open rows: ${clusters.join(', ')}` }
}
