import type { OperatorConfig } from '../../../lib/config/operator.ts'
import { withTls } from '../../../lib/store/connection-settings.ts'
import { type Database, openDatabase } from '../../../lib/store/database.ts'
import { type Examination, examine } from '../../../lib/store/examine.ts'
import type { DatabaseAddress } from '../../../lib/store/pools.ts'
import { countOpenRows, type RowsOfCluster } from '../../../lib/store/rows-by-cluster.ts'
import type { ExternalParts } from '../../parts/external-parts.ts'
import { type Check, clockFinding, type Finding, note } from './check.ts'

/** Hosts of this machine, to which nobody listens in. */
const loopback = /^(localhost|127\.[\d.]+|\[::1\])$/

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

/** Reads the URL, as the driver does: behind a pooler, the server sees the pooler's connection. */
export function tlsFindings(url: string): Finding[] {
  const { searchParams, hostname } = new URL(withTls(url))
  const mode = searchParams.get('sslmode')
  const remedy = 'write sslmode=verify-full in DATABASE_URL'
  const weakness = mode === null ? undefined : weaknessOf(mode, searchParams)
  if (weakness !== undefined) return [{ problem: `the connection ${weakness}`, remedy }]
  const verified = { fine: 'the connection is encrypted and verified' }
  if (mode === 'verify-full') return [verified]
  if (mode !== null && mode !== 'disable')
    return [verified, { note: `sslmode=${mode} means verify-full in this release only; ${remedy}` }]
  if (loopback.test(hostname)) return []
  return [
    {
      note:
        `the connection to ${hostname} is not encrypted; if others share the network, ` +
        'add sslmode=verify-full to DATABASE_URL',
    },
  ]
}

/** With `uselibpqcompat=true`, the modes mean what they mean to psql, which verifies less. */
function weaknessOf(mode: string, parameters: URLSearchParams): string | undefined {
  if (mode === 'no-verify') return 'accepts every certificate (sslmode=no-verify)'
  if (parameters.get('uselibpqcompat') !== 'true' || mode === 'verify-full' || mode === 'disable')
    return undefined
  const named = `uselibpqcompat=true with sslmode=${mode}`
  const verifies = mode === 'verify-ca' || (mode === 'require' && parameters.has('sslrootcert'))
  return verifies
    ? `accepts the certificate of another host (${named})`
    : `accepts every certificate (${named})`
}

function tablesFinding(
  { migrated, platformTables, mayWritePlatform }: Examination,
  platform: OperatorConfig['platform'],
): Finding {
  if (!migrated)
    return {
      problem: "the operator's tables are missing or older than this version",
      remedy: 'run: npx challenge-operator migrate',
    }
  if (platform === 'none')
    return { fine: "the operator's tables exist; OPERATOR_PLATFORM=none leaves the platform's alone" }
  if (!platformTables)
    return {
      problem: "the platform's tables do not exist in this database (PlatformTablesMissing)",
      remedy:
        "migrate the platform, point DATABASE_URL at the platform's database, or set OPERATOR_PLATFORM=none",
    }
  if (!mayWritePlatform)
    return {
      problem: 'the user of DATABASE_URL may not write to challenges_teamserviceinstance',
      remedy: 'grant SELECT, INSERT and UPDATE on that table to the user of DATABASE_URL',
    }
  return { fine: "the operator's tables and the platform's exist" }
}
