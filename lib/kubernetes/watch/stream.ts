import type { KubernetesClient, Query } from '../client/http.ts'
import { json, metadataOf } from '../client/media-types.ts'
import { collectionPath } from '../client/paths.ts'
import type { WatchTarget } from '../cluster.ts'
import { answeredFailure, thrownFailure } from './failure.ts'
import { LineSplitter } from './line-splitter.ts'
import type { Input, Move, WatchEvent } from './step.ts'

/** In milliseconds. Tests shorten them. */
export interface WatchTimes {
  /** A stream without a byte for this long counts as dead. Bookmarks come each minute. */
  silenceMs: number
  /** A streamed list without a byte for this long is read in pages instead. 10,000 objects take seconds. */
  listMs: number
  /** The server has this long beyond `timeoutSeconds` to end the stream. */
  graceMs: number
}

export const watchTimes: WatchTimes = { silenceMs: 75_000, listMs: 10_000, graceMs: 5_000 }

/** The stream is cut because no byte came for too long. */
class StreamSilent extends Error {}
/** The stream is cut because its list did not end. */
class ListLate extends Error {}

/**
 * Opens one connection and yields its inputs, one batch for each chunk of bytes. The last input is `late`, `ended` or
 * `failed`, unless the signal aborts.
 */
export async function* streamInputs(
  client: KubernetesClient,
  target: WatchTarget,
  move: Extract<Move, { do: 'open' }>,
  times: WatchTimes,
  signal: AbortSignal,
): AsyncGenerator<Input[]> {
  const stop = new AbortController()
  const silence = alarm(times.silenceMs, () => stop.abort(new StreamSilent()))
  const total = alarm(move.timeoutSeconds * 1000 + times.graceMs, () => stop.abort(new StreamSilent()))
  const list = alarm(times.listMs, () => stop.abort(new ListLate()))
  total.restart()
  let listing = move.version === undefined
  if (listing) list.restart()
  try {
    silence.restart()
    const accept = target.metadataOnly ? metadataOf.object : json
    const path = collectionPath(target, target.namespace)
    const both = AbortSignal.any([signal, stop.signal])
    const { status, headers, body } = await client.stream(
      path,
      { query: queryOf(target, move), accept },
      both,
    )
    if (status !== 200) {
      yield [
        { type: 'failed', failure: answeredFailure({ status, headers }, await readBody(body), Date.now()) },
      ]
      return
    }
    yield [{ type: 'opened' }]
    const splitter = new LineSplitter()
    silence.restart()
    for await (const chunk of body) {
      silence.stop()
      list.stop()
      const inputs = parse(splitter, chunk, target)
      if (inputs.some(endsList)) listing = false
      if (inputs.length > 0) yield inputs
      if (inputs.at(-1)?.type === 'failed') return
      // Not before the handlers are done: while they are busy, it is not the server that is silent.
      silence.restart()
      if (listing) list.restart()
    }
    yield [{ type: 'ended' }]
  } catch (thrown) {
    if (signal.aborted) return
    const reason = stop.signal.reason
    if (reason instanceof ListLate) yield [{ type: 'late' }]
    else if (reason instanceof StreamSilent)
      yield [{ type: 'failed', failure: { kind: 'silent', message: 'no byte came for too long' } }]
    else yield [{ type: 'failed', failure: thrownFailure(thrown) }]
  } finally {
    for (const each of [silence, total, list]) each.stop()
    stop.abort()
  }
}

function queryOf(target: WatchTarget, move: Extract<Move, { do: 'open' }>): Query {
  const { labelSelector, fieldSelector } = target
  const { version, timeoutSeconds } = move
  const query = { watch: 1, allowWatchBookmarks: true, timeoutSeconds, labelSelector, fieldSelector }
  if (version !== undefined) return { ...query, resourceVersion: version }
  return { ...query, sendInitialEvents: true, resourceVersionMatch: 'NotOlderThan' }
}

function parse(splitter: LineSplitter, chunk: Uint8Array, { apiVersion, kind }: WatchTarget): Input[] {
  const inputs: Input[] = []
  try {
    for (const line of splitter.push(chunk)) {
      const event = JSON.parse(line) as WatchEvent
      // With metadata only, the kind is PartialObjectMetadata. The object of an ERROR is a Status.
      if (event.type !== 'ERROR' && event.object) Object.assign(event.object, { apiVersion, kind })
      inputs.push({ type: 'event', event })
    }
  } catch (thrown) {
    // The parser's message quotes the line, which may contain a flag.
    const message = thrown instanceof SyntaxError ? 'a line that is not JSON' : (thrown as Error).message
    inputs.push({ type: 'failed', failure: { kind: 'garbled', message } })
  }
  return inputs
}

function endsList(input: Input): boolean {
  return (
    input.type === 'event' &&
    input.event.object?.metadata?.annotations?.['k8s.io/initial-events-end'] === 'true'
  )
}

/** Bytes. The body of an error is a short Status. */
const longestErrorBody = 64 * 1024

async function readBody(body: AsyncIterable<Uint8Array>): Promise<unknown> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of body) {
    chunks.push(chunk)
    bytes += chunk.length
    if (bytes > longestErrorBody) break
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'))
  } catch {
    return undefined
  }
}

function alarm(ms: number, ring: () => void) {
  let timer: NodeJS.Timeout | undefined
  const stop = () => clearTimeout(timer)
  return {
    stop,
    restart() {
      stop()
      timer = setTimeout(ring, ms)
    },
  }
}
