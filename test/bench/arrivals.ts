import { setTimeout as sleep } from 'node:timers/promises'
import type { ChallengeInstance } from '../../lib/crd/challenge-instance.ts'
import type { Placement } from '../../lib/crd/challenge-template.ts'
import { insideKinds } from '../../lib/crd/child-kinds.ts'
import { apiVersion, labels, managedBySelector } from '../../lib/crd/group.ts'
import type { KubernetesObject } from '../../lib/crd/objects.ts'
import type { KubernetesClient } from '../../lib/kubernetes/client/http.ts'
import type { WatchTarget } from '../../lib/kubernetes/cluster.ts'
import { watchUntilListed } from './watch-until-listed.ts'

/** The number of children of an instance of the bench: a Deployment, a Secret and a Service. */
const childCount = 3

/** `applied`: every child and a status of the current generation were seen. `gone`: the instance's DELETED event was. */
export type Milestone = 'applied' | 'ready' | 'gone'

/** When watches of a namespace showed each milestone. Times are those of `performance.now()`. */
export interface Arrivals {
  /** Resolves with the time of the milestone. Waits for it without a limit. */
  at(name: string, milestone: Milestone): Promise<number>
}

/** Watches until the signal aborts. Resolves once every list is complete. @param namespace of the instances */
export async function watchArrivals(
  client: KubernetesClient,
  { namespace, placement }: { namespace: string; placement: Placement },
  signal: AbortSignal,
): Promise<Arrivals> {
  const reached = new Map<string, number>()
  const waiting = new Map<string, (at: number) => void>()
  const children = new Map<string, Set<string>>()
  const reportedOn = new Set<string>()

  const reach = (name: string, milestone: Milestone) => {
    const key = `${milestone} ${name}`
    if (reached.has(key)) return
    const now = performance.now()
    reached.set(key, now)
    waiting.get(key)?.(now)
    waiting.delete(key)
  }
  const check = (name: string) => {
    if (reportedOn.has(name) && children.get(name)?.size === childCount) reach(name, 'applied')
  }
  const onInstance = ({ metadata, status }: ChallengeInstance) => {
    const { name = '', generation } = metadata
    if (status?.observedGeneration === generation && status?.children?.length === childCount) {
      reportedOn.add(name)
      check(name)
    }
    if (status?.phase === 'Ready') reach(name, 'ready')
  }
  const onChild = ({ kind, metadata }: KubernetesObject) => {
    const { [labels.instance]: name, [labels.instanceNamespace]: home } = metadata.labels ?? {}
    // Policies that instances share are of no instance.
    if (name === undefined || home !== namespace) return
    const seen = children.get(name) ?? new Set()
    children.set(name, seen.add(kind))
    check(name)
  }
  const started = <T extends KubernetesObject>(
    target: WatchTarget,
    onObject: (object: T) => void,
    onGone?: (name: string) => void,
  ) => watchUntilListed(client, target, { onObject, ...(onGone && { onGone }) }, signal)
  const childScope = placement === 'Shared' ? { namespace } : { labelSelector: managedBySelector }
  await Promise.all([
    started<ChallengeInstance>({ apiVersion, kind: 'ChallengeInstance', namespace }, onInstance, name =>
      reach(name, 'gone'),
    ),
    ...insideKinds.map(({ apiVersion, kind }) =>
      started({ ...childScope, apiVersion, kind, metadataOnly: true }, onChild),
    ),
  ])
  return {
    at(name, milestone) {
      const key = `${milestone} ${name}`
      const before = reached.get(key)
      if (before !== undefined) return Promise.resolve(before)
      return new Promise(resolve => waiting.set(key, resolve))
    },
  }
}

const soonMs = 60_000

/** Waits for a milestone of one instance that nothing else delays. @throws Error after a minute */
export async function soon(reached: Promise<number>, what: string, signal: AbortSignal): Promise<number> {
  const ended = new AbortController()
  const until = AbortSignal.any([signal, ended.signal])
  const late = sleep(soonMs, undefined, { signal: until }).then(() => {
    throw new Error(`a minute has passed without ${what}`)
  })
  return Promise.race([reached, late]).finally(() => ended.abort())
}
