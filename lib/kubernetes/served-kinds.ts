import { abortable } from '../abort.ts'
import { optionalKinds, type ServedKinds } from '../crd/child-kinds.ts'
import { OperatorError } from '../errors.ts'
import type { KubernetesClient } from './client/http.ts'
import { apiError } from './errors/api-error.ts'

/** How long the answer of the cluster is taken as it was, in milliseconds. Kinds come and go with an installation. */
const trustMs = 30_000

/** Milliseconds. The read is shared, so it has a deadline of its own and not that of one caller. */
const readMs = 5_000

/**
 * Asks the cluster's discovery which of the optional kinds it serves, and in which version. A cluster that does not let us
 * ask serves none of them, as far as we can tell.
 * @throws OperatorError if the cluster does not answer
 */
export async function readServedKinds(client: KubernetesClient, signal: AbortSignal): Promise<ServedKinds> {
  const groups = [...new Set(optionalKinds.flatMap(({ servedAs }) => servedAs.map(groupOf)))]
  const versions = (await Promise.all(groups.map(group => versionsOf(client, group, signal)))).flat()
  const wanted = versions.filter(version => optionalKinds.some(({ servedAs }) => servedAs.includes(version)))
  const kinds = new Map<string, readonly string[]>()
  await Promise.all(wanted.map(async version => kinds.set(version, await kindsOf(client, version, signal))))
  const served = new Map<string, string>()
  for (const { kind, servedAs } of optionalKinds) {
    const version = servedAs.find(each => kinds.get(each)?.includes(kind))
    if (version !== undefined) served.set(kind, version)
  }
  return served
}

/** Implements `Cluster.servedKinds`. Callers at the same time share one read. */
export function rememberServedKinds(client: KubernetesClient): (signal: AbortSignal) => Promise<ServedKinds> {
  let reading: { kinds: Promise<ServedKinds>; until: number } | undefined

  return async signal => {
    if (reading === undefined || reading.until <= performance.now()) {
      const kinds = readServedKinds(client, AbortSignal.timeout(readMs))
      const started = { kinds, until: performance.now() + trustMs }
      reading = started
      kinds.catch(() => {
        if (reading === started) reading = undefined
      })
    }
    try {
      return await abortable(reading.kinds, signal)
    } catch (cause) {
      if (cause instanceof OperatorError) throw cause
      throw new OperatorError('ClusterUnavailable', 'Cannot read the served kinds in time.', { cause })
    }
  }
}

async function versionsOf(client: KubernetesClient, group: string, signal: AbortSignal): Promise<string[]> {
  const answer = await discover<{ versions?: { groupVersion: string }[] }>(client, `/apis/${group}`, signal)
  return (answer?.versions ?? []).map(({ groupVersion }) => groupVersion)
}

async function kindsOf(client: KubernetesClient, version: string, signal: AbortSignal): Promise<string[]> {
  const answer = await discover<{ resources?: { kind: string }[] }>(client, `/apis/${version}`, signal)
  return (answer?.resources ?? []).map(({ kind }) => kind)
}

async function discover<T>(
  client: KubernetesClient,
  path: string,
  signal: AbortSignal,
): Promise<T | undefined> {
  const response = await client.request('GET', path, {}, signal)
  if (response.status === 200) return response.body as T
  if (response.status === 404 || response.status === 403) return undefined
  throw apiError({ verb: 'get', apiVersion: 'v1', kind: 'APIGroup', name: path }, response)
}

function groupOf(apiVersion: string): string {
  return apiVersion.slice(0, apiVersion.indexOf('/'))
}
