import { sql } from 'kysely'
import pg from 'pg'
import type { Delivery, OutboxEvent } from '../../../lib/events.ts'
import { type Database, openDatabase } from '../../../lib/store/database.ts'
import { createPlatformTables } from '../../../lib/store/platform-tables.ts'
import type { InstanceRecord, RowScope } from '../../../lib/store/store.ts'
import { migratedDatabase, testDatabase } from '../../support/shared-parts.ts'

/** A deadline that a healthy database never reaches. */
export const soon = () => AbortSignal.timeout(10_000)

export const samples = { challenges: ['web-1', 'pwn-1'], teams: [1, 2, 3] }

export interface StoreDatabase {
  /** Leads through the pooler, if there is one. */
  url: string
  /** Leads to the server itself, for what needs a session of its own. */
  directUrl: string
  db: Database
  /** Runs a statement as the superuser. */
  rows<T = Record<string, unknown>>(statement: string): Promise<T[]>
  platformRows(): Promise<Array<Record<string, unknown>>>
  /** Version and place of every row of our tables and the platform's. Every write of a row changes them. */
  rowVersions(): Promise<Array<Record<string, unknown>>>
  remove(): Promise<void>
}

const direct = (url: string) => url
let pooled = direct

/** Lets every database that is made from now on be reached through a pooler. */
export function routeThroughPooler(urlOf: (url: string) => string): void {
  pooled = urlOf
}

/** Ends what `routeThroughPooler` began, for the files that the worker runs next. */
export function routeDirectly(): void {
  pooled = direct
}

/** A migrated database with the platform's tables, unless the options say otherwise. */
export async function storeDatabase(
  options: { migrated?: boolean; platform?: boolean; max?: number } = {},
): Promise<StoreDatabase> {
  const { migrated = true, platform = true, max = 4 } = options
  const { url: directUrl, remove } = await (migrated ? migratedDatabase() : testDatabase())
  const url = pooled(directUrl)
  const db = openDatabase({ url, max, applicationName: 'test' })
  if (platform) await createPlatformTables(db, samples, soon())
  const rows = async <T>(statement: string) => (await sql.raw<T>(statement).execute(db)).rows
  return {
    url,
    directUrl,
    db,
    rows,
    platformRows: () => rows('SELECT * FROM challenges_teamserviceinstance ORDER BY id'),
    rowVersions: () =>
      rows(`
        SELECT xmin::text, ctid::text FROM challenge_operator.instance UNION ALL
        SELECT xmin::text, ctid::text FROM challenge_operator.outbox UNION ALL
        SELECT xmin::text, ctid::text FROM challenges_teamserviceinstance`),
    async remove() {
      await db.destroy()
      await remove()
    },
  }
}

/** A bus that takes every event. */
export const takeAll = async (events: readonly OutboxEvent[]): Promise<Delivery> => ({
  accepted: events,
  refused: [],
})

/** The scope of an operator on the cluster of `instanceRecord` that watches every namespace. */
export const everywhere: RowScope = { cluster: 'cluster-1', namespaces: '*' }

/** A ready instance of team 1 and challenge web-1. */
export function instanceRecord(changes: Partial<InstanceRecord> = {}): InstanceRecord {
  return {
    uid: 'uid-1',
    warnedOf: undefined,
    cluster: everywhere.cluster,
    namespace: 'default',
    name: 'web-1-team-1',
    workloadNamespace: 'default',
    teamId: 1,
    eventId: 7,
    template: 'web-1',
    phase: 'Ready',
    reason: undefined,
    message: 'Serves.',
    url: 'http://web-1-team-1.default.svc.cluster.local:8080',
    flagHmac: 'abc',
    createdAt: '2026-11-23T10:00:00Z',
    readyAt: '2026-11-23T10:00:05Z',
    expiresAt: undefined,
    notes: {},
    digest: 'digest-1',
    ...changes,
  }
}

export async function listener(url: string, channel: string) {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  const heard: string[] = []
  client.on('notification', ({ payload }) => heard.push(payload ?? ''))
  await client.query(`LISTEN ${channel}`)
  return {
    /** Makes a round trip, after which every notification that was sent before has arrived. */
    async heard(): Promise<unknown[]> {
      await client.query('SELECT 1')
      return heard.map(each => JSON.parse(each))
    },
    end: () => client.end(),
  }
}
