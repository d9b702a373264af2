import type { ChallengeInstance } from '../../../lib/crd/challenge-instance.ts'
import { apiVersion } from '../../../lib/crd/group.ts'
import { scopesOf, type WatchedNamespaces } from '../../../lib/crd/namespaces.ts'
import type { Stored } from '../../../lib/crd/objects.ts'
import { referenceTo } from '../../../lib/crd/reference.ts'
import type { Cluster } from '../../../lib/kubernetes/cluster.ts'
import { pollUntil } from '../../../lib/poll.ts'
import type { Result } from './action.ts'
import { cutOf } from './renew.ts'
import { keyOf } from './selection.ts'

/** The operator reports an edited spec within a second or two. A thousand edits at once take it some twenty seconds. */
const patience = { firstMs: 10_000, eachMs: 30 }
const everyMs = 500

/** Up to this many instances are read one by one. Pages of all instances cost less for more of them. */
const oneByOne = 10

/** Waits until the operator has reported the ends that were asked for. @returns a line for each end that is another one */
export async function observeEnds(
  cluster: Cluster,
  namespaces: WatchedNamespaces,
  results: readonly Result[],
  signal: AbortSignal,
): Promise<string[]> {
  const waiting = new Map<string, Stored<ChallengeInstance>>()
  for (const { after } of results) if (after) waiting.set(after.metadata.uid, after)
  const cut: string[] = []
  const limitMs = patience.firstMs + waiting.size * patience.eachMs
  const look = async () => {
    for (const [uid, current] of await readAgain(cluster, namespaces, waiting, signal)) {
      const renewed = waiting.get(uid)
      if (renewed === undefined) continue
      const line = current === undefined ? 'it has been deleted meanwhile' : endAfter(renewed, current)
      if (line === 'not yet') continue
      waiting.delete(uid)
      if (line !== undefined) cut.push(`${keyOf(renewed)}  ${line}`)
    }
    return waiting.size === 0
  }
  if (waiting.size > 0 && !(await pollUntil(look, { everyMs, limitMs }, signal)))
    for (const each of waiting.values())
      cut.push(
        `${keyOf(each)}  has the new date, but the operator has not reported an end yet; ` +
          'see EXPIRES in: challenge-operator get',
      )
  return cut
}

/** @returns undefined: as it was asked for */
function endAfter(
  renewed: Stored<ChallengeInstance>,
  current: Stored<ChallengeInstance>,
): string | 'not yet' | undefined {
  if (current.metadata.deletionTimestamp !== undefined) return 'is being deleted; the renewal came too late'
  const { generation = 0 } = renewed.metadata
  if ((current.status?.observedGeneration ?? 0) < generation) return 'not yet'
  return cutOf(current)
}

type ByUid = Map<string, Stored<ChallengeInstance> | undefined>

async function readAgain(
  cluster: Cluster,
  namespaces: WatchedNamespaces,
  wanted: ReadonlyMap<string, Stored<ChallengeInstance>>,
  signal: AbortSignal,
): Promise<ByUid> {
  const found: ByUid = new Map([...wanted.keys()].map(uid => [uid, undefined]))
  const note = (each: Stored<ChallengeInstance> | undefined) => {
    if (each && wanted.has(each.metadata.uid)) found.set(each.metadata.uid, each)
  }
  if (wanted.size <= oneByOne)
    for (const each of wanted.values()) note(await cluster.get<ChallengeInstance>(referenceTo(each), signal))
  else
    for (const scope of scopesOf(namespaces))
      for await (const page of cluster.list<ChallengeInstance>(
        { apiVersion, kind: 'ChallengeInstance' },
        scope,
        signal,
      ))
        page.forEach(note)
  return found
}
