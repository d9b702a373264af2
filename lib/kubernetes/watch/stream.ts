import type { KubernetesClient, Query } from '../client/http.ts'
import { json, metadataOf } from '../client/media-types.ts'
import { collectionPath } from '../client/paths.ts'
import type { WatchTarget } from '../cluster.ts'
import { refusalOf, thrownFailure } from './failure.ts'
import { LineSplitter } from './line-splitter.ts'
import type { Input, Move, WatchEvent } from './step.ts'

/** All in milliseconds; tests shorten them. */
export interface WatchTimes {
  /** Bookmarks come each minute; a stream without a byte for longer has died without a word. */
  silenceMs: number
  /** A streamed list that is not at its end and tells nothing for so long will never end; 10,000 objects take seconds. */
  listMs: number
  /** What the server gets beyond its own `timeoutSeconds`. */
  graceMs: number
}

export const watchTimes: WatchTimes = { silenceMs: 75_000, listMs: 10_000, graceMs: 5_000 }

class Silent extends Error {}
class Overdue extends Error {}

/** What comes of one connection, a batch for each chunk of bytes. Ends with `late`, `ended` or `failed`. */
export async function* streamInputs(
  client: KubernetesClient,
  target: WatchTarget,
  move: Extract<Move, { do: 'open' }>,
  times: WatchTimes,
  signal: AbortSignal,
): AsyncGenerator<Input[]> {
  const stop = new AbortController()
  const silence = alarm(times.silenceMs, () => stop.abort(new Silent()))
  const total = alarm(move.timeoutSeconds * 1000 + times.graceMs, () => stop.abort(new Silent()))
  const list = alarm(times.listMs, () => stop.abort(new Overdue()))
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
      yield [{ type: 'failed', failure: refusalOf({ status, headers }, await readBody(body), Date.now()) }]
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
      // Only now: while the handlers hold us up, it is not the server that is silent.
      silence.restart()
      if (listing) list.restart()
    }
    yield [{ type: 'ended' }]
  } catch (thrown) {
    if (signal.aborted) return
    const reason = stop.signal.reason
    if (reason instanceof Overdue) yield [{ type: 'late' }]
    else if (reason instanceof Silent)
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
      // Bare metadata says that it is metadata; an ERROR's object is a Status.
      if (event.type !== 'ERROR' && event.object) Object.assign(event.object, { apiVersion, kind })
      inputs.push({ type: 'event', event })
    }
  } catch (thrown) {
    // The parser's sentence quotes the line.
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

/** Of a refusal: a short Status. */
const longestRefusal = 64 * 1024

async function readBody(body: AsyncIterable<Uint8Array>): Promise<unknown> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of body) {
    chunks.push(chunk)
    bytes += chunk.length
    if (bytes > longestRefusal) break
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
