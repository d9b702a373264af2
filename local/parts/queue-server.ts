import { findPackageJSON } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { buildApp } from 'fauxqs'

type Stores = NonNullable<NonNullable<Parameters<typeof buildApp>[0]>['stores']>
type SqsStore = Stores['sqsStore']

/** A part of fauxqs that it does not export. Only the used members are typed. */
interface Persistence {
  db: { exec(statement: string): void }
  loadSqsAndSns(sqsStore: SqsStore, snsStore: Stores['snsStore']): void
  close(): void
}

export interface QueueServer {
  port: number
  stop(): Promise<void>
}

/**
 * Starts fauxqs on the loopback address. Its own `startFauxqs` listens on every address of the machine without a
 * password, so this function puts the inner parts of the pinned version together.
 * @param dataDir folder that keeps queues and messages over restarts, but not the deduplication ids
 */
export async function startQueueServer(options: {
  port: number
  dataDir: string | undefined
}): Promise<QueueServer> {
  const stores = await openStores()
  const persistence =
    options.dataDir === undefined ? undefined : await openPersistence(options.dataDir, stores)
  const app = buildApp({ logger: false, stores })
  app.addHook('preClose', async () => {
    stores.sqsStore.shutdown()
    persistence?.close()
  })
  const address = await app.listen({ port: options.port, host: '127.0.0.1' })
  return { port: Number(new URL(address).port), stop: () => app.close() }
}

async function openStores(): Promise<Stores> {
  const [sqs, sns, s3] = await Promise.all([
    inner<{ SqsStore: new () => SqsStore }>('sqs/sqsStore.js'),
    inner<{ SnsStore: new () => Stores['snsStore'] }>('sns/snsStore.js'),
    inner<{ S3Store: new () => Stores['s3Store'] }>('s3/s3Store.js'),
  ])
  return { sqsStore: new sqs.SqsStore(), snsStore: new sns.SnsStore(), s3Store: new s3.S3Store() }
}

async function openPersistence(dataDir: string, { sqsStore, snsStore }: Stores): Promise<Persistence> {
  const { PersistenceManager } = await inner<{ PersistenceManager: new (dataDir: string) => Persistence }>(
    'persistence.js',
  )
  const persistence = new PersistenceManager(dataDir)
  // In WAL mode this survives every crash but a power cut, and a message does not wait for the disk.
  persistence.db.exec('PRAGMA synchronous = NORMAL')
  // It loads before it is attached, because storing a loaded queue again would delete its messages.
  persistence.loadSqsAndSns(sqsStore, snsStore)
  const attach = (holder: object) => Object.assign(holder, { persistence })
  attach(sqsStore)
  for (const queue of sqsStore.allQueues()) attach(queue)
  return persistence
}

/** Imports a file of the package that its `exports` do not name. */
function inner<T>(file: string): Promise<T> {
  const manifest = findPackageJSON('fauxqs', import.meta.url) as string
  return import(pathToFileURL(join(manifest, '../dist', file)).href) as Promise<T>
}
