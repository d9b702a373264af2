import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { startPostgres } from '../../../local/parts/postgres.ts'
import { startQueues } from '../../../local/parts/queues.ts'

/**
 * The Postgres and the queue server of `npm start` in a pod, for an operator in the same cluster. Both listen on the loopback
 * address, so this passes connections on. It prints the URL of the database, whose host the reader replaces.
 */
const [, , data = '/data'] = process.argv

const signal = new AbortController().signal
const postgres = await startPostgres(
  { directory: join(data, 'postgres'), env: process.env, unsafeNoFsync: true },
  signal,
)
const queues = await startQueues({}, signal)

const passOn = (port: number, to: number) =>
  createServer(incoming => {
    const outgoing = connect(to, '127.0.0.1')
    incoming.on('error', () => outgoing.destroy())
    outgoing.on('error', () => incoming.destroy())
    incoming.pipe(outgoing).pipe(incoming)
  }).listen(port, '0.0.0.0')

passOn(5432, Number(new URL(postgres.url).port))
passOn(9324, Number(new URL(queues.endpoint).port))
process.stdout.write(`${JSON.stringify({ database: postgres.url, queues: queues.changesUrl })}\n`)
process.once('SIGTERM', () => process.exit())
