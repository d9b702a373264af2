import { randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface ReceivedEvent {
  /** The id that the bus gives, new for every attempt. */
  id: string
  busName: string
  source: string
  detailType: string
  detail: unknown
  /** RFC 3339. */
  time: string
}

export interface LocalEventBus {
  readonly endpoint: string
  /** The last 10,000 events, oldest first. */
  events(): readonly ReceivedEvent[]
  /** @returns a function that removes the listener */
  onEvent(listener: (event: ReceivedEvent) => void): () => void
  /** Refuses the next `count` entries with `InternalFailure`, as EventBridge does under load. */
  failNext(count: number): void
  stop(): Promise<void>
}

interface Entry {
  EventBusName?: string
  Source?: string
  DetailType?: string
  Detail?: string
  Time?: number
}

type Result = { EventId: string } | { ErrorCode: string; ErrorMessage: string }

const kept = 10_000
const maxEntries = 10
/** Bytes of one call's body. */
const maxSize = 4 * 1024 * 1024
/** Bytes of all entries of a call together, as AWS counts them. */
const maxEntriesSize = 256 * 1024

/** Serves `PutEvents` as EventBridge does (AWS JSON 1.1), and keeps the received events. */
export async function startEventBus(options: { host?: string; port?: number } = {}): Promise<LocalEventBus> {
  const { host = '127.0.0.1', port = 0 } = options
  const received: ReceivedEvent[] = []
  const listeners = new Set<(event: ReceivedEvent) => void>()
  let failures = 0

  const accept = (entry: Entry): Result => {
    if (failures > 0) {
      failures -= 1
      return { ErrorCode: 'InternalFailure', ErrorMessage: 'failure requested by failNext' }
    }
    const problem = problemOf(entry)
    if (problem !== undefined) return problem
    const event = eventOf(entry)
    received.push(event)
    if (received.length > kept) received.shift()
    for (const listener of listeners) listener(event)
    return { EventId: event.id }
  }

  const server = createServer(async (request, response) => {
    const { status, body } = await answer(request, accept)
    response.writeHead(status, {
      'content-type': 'application/x-amz-json-1.1',
      'x-amzn-requestid': randomUUID(),
    })
    response.end(JSON.stringify(body))
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, resolve)
  })
  return {
    endpoint: `http://${host}:${(server.address() as AddressInfo).port}`,
    events: () => received,
    onEvent(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    failNext(count) {
      failures = count
    },
    async stop() {
      server.closeAllConnections()
      await new Promise(resolve => server.close(resolve))
    },
  }
}

async function answer(
  request: IncomingMessage,
  accept: (entry: Entry) => Result,
): Promise<{ status: number; body: unknown }> {
  if (request.headers['x-amz-target'] !== 'AWSEvents.PutEvents') {
    return fault('UnknownOperationException', 'this bus knows PutEvents only')
  }
  try {
    const { Entries: entries } = JSON.parse(await bodyOf(request)) as { Entries?: Entry[] }
    if (!Array.isArray(entries) || entries.length < 1 || entries.length > maxEntries) {
      return fault('ValidationException', `Entries must have 1 to ${maxEntries} members`)
    }
    if (entries.reduce((size, entry) => size + sizeOf(entry), 0) > maxEntriesSize) {
      return fault('ValidationException', 'Total size of the entries in the request is over the limit.')
    }
    const results = entries.map(accept)
    const failed = results.filter(result => 'ErrorCode' in result).length
    return { status: 200, body: { Entries: results, FailedEntryCount: failed } }
  } catch (thrown) {
    return fault('SerializationException', String(thrown))
  }
}

function fault(type: string, message: string) {
  return { status: 400, body: { __type: type, message } }
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > maxSize) throw new Error(`a call has at most ${maxSize} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}

/** 14 bytes are the time's. */
function sizeOf({ Source = '', DetailType = '', Detail = '' }: Entry): number {
  return 14 + [Source, DetailType, Detail].reduce((size, text) => size + Buffer.byteLength(text), 0)
}

function problemOf(entry: Entry): Result | undefined {
  for (const field of ['Source', 'DetailType', 'Detail'] as const) {
    if (!entry[field]) {
      return {
        ErrorCode: 'InvalidArgument',
        ErrorMessage: `Parameter ${field} is not valid. Reason: required`,
      }
    }
  }
  try {
    JSON.parse(entry.Detail ?? '')
    return undefined
  } catch {
    return { ErrorCode: 'MalformedDetail', ErrorMessage: 'Detail is malformed.' }
  }
}

function eventOf(entry: Entry): ReceivedEvent {
  return {
    id: randomUUID(),
    busName: entry.EventBusName ?? 'default',
    source: entry.Source ?? '',
    detailType: entry.DetailType ?? '',
    detail: JSON.parse(entry.Detail ?? 'null'),
    time: new Date(entry.Time === undefined ? Date.now() : entry.Time * 1_000).toISOString(),
  }
}
