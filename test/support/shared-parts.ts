import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { inject } from 'vitest'
import { ensureQueues, type QueueUrls } from '../../lib/aws/queues.ts'
import type { SqsClientOptions } from '../../lib/aws/sqs-client.ts'
import { openDatabase } from '../../lib/store/database.ts'
import { migrate } from '../../lib/store/migrate.ts'
import { type Api, openApi } from '../../local/control-plane/api.ts'
import { localCredentials, localRegion } from '../../local/parts/queues.ts'
import { waitUntil } from '../../local/process/wait.ts'
import type { SharedParts } from './global-setup.ts'

/** The control plane of the run, with the administrator's token. A test makes a namespace of its own in it. */
export function sharedControlPlane(): SharedParts['controlPlane'] & { api: Api } {
  const plane = inject('sharedParts').controlPlane
  const { port } = new URL(plane.server)
  const ca = Buffer.from(plane.caData, 'base64').toString()
  return { ...plane, api: openApi(Number(port), ca, plane.token) }
}

/**
 * Makes a namespace in which pods can start. It goes with the control plane: the end of a namespace costs hundreds of calls,
 * and again and again while an instance in it keeps a finalizer for which no operator is left.
 */
export async function testNamespace(
  prefix = 'test',
  signal: AbortSignal = new AbortController().signal,
): Promise<{ name: string }> {
  const { api } = sharedControlPlane()
  const name = unique(prefix)
  const created = await api.call('POST', '/api/v1/namespaces', { metadata: { name } }, signal)
  if (created.status !== 201) throw new Error(`namespace ${name}: ${created.body}`)
  const account = `/api/v1/namespaces/${name}/serviceaccounts/default`
  const hasAccount = async () => (await api.call('GET', account, undefined, signal)).status === 200
  await waitUntil(`the service account of ${name}`, 10_000, hasAccount, signal)
  return { name }
}

export interface TestDatabase {
  url: string
  remove(): Promise<void>
}

/** Makes an empty database. @param admin URL of a server; default: that of the run */
export async function testDatabase(
  admin: string = inject('sharedParts').postgresUrl,
  template = 'template1',
): Promise<TestDatabase> {
  const name = unique('test').replaceAll('-', '_')
  await execute(admin, `CREATE DATABASE ${name} TEMPLATE ${template}`)
  const url = urlOf(admin, name)
  return { url, remove: () => execute(admin, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`) }
}

let migrated: Promise<string> | undefined

/** Makes a database that has our own tables, on the run's server. The migrations run once in each worker, then are copied. */
export async function migratedDatabase(): Promise<TestDatabase> {
  const admin = inject('sharedParts').postgresUrl
  migrated ??= migratedTemplate(admin)
  return testDatabase(admin, await migrated)
}

/** @returns the name of a database that nobody is connected to, as Postgres wants of a template */
async function migratedTemplate(admin: string): Promise<string> {
  const name = unique('template').replaceAll('-', '_')
  await execute(admin, `CREATE DATABASE ${name}`)
  const database = openDatabase({ url: urlOf(admin, name), max: 1, applicationName: 'test' })
  await migrate(database, new AbortController().signal).finally(() => database.destroy())
  return name
}

function urlOf(admin: string, name: string): string {
  const url = new URL(admin)
  url.pathname = `/${name}`
  return url.href
}

/** Makes queues. @param endpoint a server; default: that of the run */
export async function testQueues(
  visibility: { changesVisibility?: number; timersVisibility?: number } = {},
  signal: AbortSignal = new AbortController().signal,
  endpoint: string = inject('sharedParts').queuesEndpoint,
): Promise<QueueUrls & { clientOptions: SqsClientOptions }> {
  const clientOptions = { endpoint, region: localRegion, credentials: localCredentials }
  const urls = await ensureQueues({ clientOptions, prefix: unique('test'), ...visibility }, signal)
  return { ...urls, clientOptions }
}

function unique(prefix: string): string {
  return `${prefix}-${randomBytes(5).toString('hex')}`
}

async function execute(url: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  await client.query(statement).finally(() => client.end())
}
