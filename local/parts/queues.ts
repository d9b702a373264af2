import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ensureQueues, type QueueUrls } from '../../lib/aws/queues.ts'
import type { SqsClientOptions } from '../../lib/aws/sqs-client.ts'
import { freePort, samePortOrFree } from '../process/ports.ts'
import { startQueueServer } from './queue-server.ts'

export interface QueuesOptions {
  /** Default: the port of the earlier run in `dataDir`, or a free one. */
  port?: number
  /** Folder that keeps messages over restarts. Default: memory only. */
  dataDir?: string
  prefix?: string
}

export interface LocalQueues extends QueueUrls {
  readonly endpoint: string
  /** Options for `openQueues` and `openReceiver`. */
  readonly clientOptions: SqsClientOptions
  stop(): Promise<void>
}

/** fauxqs wants a signed request and accepts every signature. */
export const localCredentials = { accessKeyId: 'local', secretAccessKey: 'local' }
export const localRegion = 'us-east-1'
const predecessorMs = 1_000

/** Starts an SQS server inside this process and creates the operator's queues. */
export async function startQueues(options: QueuesOptions, signal: AbortSignal): Promise<LocalQueues> {
  const { dataDir, prefix } = options
  const server = await startQueueServer({
    port: options.port ?? (await choosePort(dataDir, signal)),
    dataDir,
  })
  try {
    const endpoint = `http://127.0.0.1:${server.port}`
    const clientOptions = { endpoint, region: localRegion, credentials: localCredentials }
    const urls = await ensureQueues({ clientOptions, ...(prefix === undefined ? {} : { prefix }) }, signal)
    return { endpoint, clientOptions, ...urls, stop: () => server.stop() }
  } catch (thrown) {
    await server.stop()
    throw thrown
  }
}

/** Keeps the port of an earlier run if possible, because it is part of the queue URLs that shells have sourced. */
async function choosePort(dataDir: string | undefined, signal: AbortSignal): Promise<number> {
  if (dataDir === undefined) return freePort()
  await mkdir(dataDir, { recursive: true })
  const file = join(dataDir, 'port')
  const earlier = Number(await readFile(file, 'utf8').catch(() => ''))
  const port = await samePortOrFree(earlier || undefined, predecessorMs, signal)
  await writeFile(file, String(port))
  return port
}
