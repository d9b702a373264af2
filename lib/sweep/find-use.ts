import type { ChallengeTemplate } from '../crd/challenge-template.ts'
import { managedBySelector } from '../crd/group.ts'
import { childScopesOf, type WatchedNamespaces } from '../crd/namespaces.ts'
import type { KubernetesObject, Stored } from '../crd/objects.ts'
import { operatorError } from '../errors.ts'
import type { Cluster } from '../kubernetes/cluster.ts'
import type { PodMetrics } from '../kubernetes/pod-metrics.ts'
import type { OpenRow, Store } from '../store/store.ts'
import type { Log } from '../telemetry/log.ts'
import { anyInUse, type KeptPod, type KeptPods, keptAfter, keptPods, wronglyKept } from './eviction.ts'
import { mayBeIdle, useFound } from './idle.ts'
import type { Mismatch } from './mismatch.ts'
import { paced } from './pace.ts'
import type { SweptInstance } from './swept-instance.ts'

export interface UseDependencies {
  cluster: Pick<Cluster, 'list'>
  store: Pick<Store, 'recordActivity'>
  podMetrics: PodMetrics
  namespaces: WatchedNamespaces
  /** Workloads may run outside of the watched namespaces. */
  everywhere: boolean
  /** See `OperatorConfig`. */
  idleMillicores: number | undefined
  intervalSeconds: number
  log: Log
}

export interface ToCompare {
  instances: ReadonlyMap<string, SweptInstance>
  rows: ReadonlyMap<string, OpenRow>
  listTemplates: () => Promise<readonly Stored<ChallengeTemplate>[]>
  /** The pods that a resync found kept from eviction; undefined: it is none. */
  kept: KeptPods | undefined
  /** The organiser's clock is paused, so no pod is changed. */
  paused: boolean
  /** The times of activity in the database are believed. Otherwise nobody counts as idle. */
  hibernates: boolean
  /** Epoch milliseconds. */
  now: number
}

export type FindUse = (seen: ToCompare, signal: AbortSignal) => Promise<Mismatch[]>

/**
 * The pods are listed this long after a message about one of them, in milliseconds. It is lost also if the database did not
 * answer its pass in time.
 */
const doubtMs = 30_000

/** A list of all pods takes a second for some thousands, in milliseconds. */
const metricsMs = 10_000

/**
 * Finds the instances that nobody uses any more, and those whose players came back by way of the database. It also records
 * in the database who is busy by processor time, with one statement for all of them. And it finds the instances whose pod
 * has to be kept from eviction from now on, or not any more.
 *
 * Guarantees: without an answer of a source that is configured nobody counts as idle. While no instance is old enough to
 * be idle, no template is read.
 *
 * Caveats: which pods are kept is read by a resync, by the first sweep of a process that finds an instance in use, and once
 * after messages were sent, since they may be lost. Between them this process remembers what it has sent.
 */
export function createFindUse(deps: UseDependencies): FindUse {
  const { cluster, store, podMetrics, namespaces, everywhere, idleMillicores, intervalSeconds, log } = deps
  let known: KeptPods | undefined
  let doubtedFrom = Number.POSITIVE_INFINITY

  return async ({ instances, rows, listTemplates, kept: listed, paused, hibernates, now }, signal) => {
    const asks = mayBeIdle(instances.values(), { rows, idleMillicores, now })
    const templates = asks ? await listTemplates() : []
    const hasTimeout = templates.some(({ spec }) => spec.idleTimeoutMinutes !== 0)
    const counts = hasTimeout && idleMillicores !== undefined
    const millicores = counts ? await readMillicores(signal) : undefined
    if (counts && millicores === undefined) return []
    const found = useFound(instances, { rows, templates, millicores, idleMillicores, hibernates, now })
    if (found.busy.length > 0) await recordBusy(found.busy, now, signal)
    if (found.silent > 0)
      log.warn('activity ended for many instances at once, so none of them is hibernated', {
        instances: found.silent,
      })
    const use = { rows, templates, idleMillicores, now }
    const each = () => instances.values()
    const asksFor = now >= doubtedFrom || (known === undefined && anyInUse(each(), use))
    const fresh = listed ?? (asksFor && !paused ? await listKept(signal) : undefined)
    if (fresh) doubtedFrom = Number.POSITIVE_INFINITY
    known = fresh ?? known
    const wrong = paused || known === undefined ? [] : wronglyKept(each(), known, use)
    const sent = paced([...found.mismatches, ...wrong], now, intervalSeconds).now
    known = known && keptAfter(each(), known, { sent, use })
    if (wrong.length > 0) doubtedFrom = Math.min(doubtedFrom, now + doubtMs)
    return sent
  }

  async function listKept(signal: AbortSignal): Promise<KeptPods> {
    const kept = new Map<string, KeptPod>()
    const selection = { metadataOnly: true, labelSelector: managedBySelector }
    for (const scope of childScopesOf(namespaces, { everywhere })) {
      const pages = cluster.list<KubernetesObject>(
        { apiVersion: 'v1', kind: 'Pod' },
        { ...selection, ...scope },
        signal,
      )
      for await (const page of pages) for (const [uid, pod] of keptPods(page)) kept.set(uid, pod)
    }
    return kept
  }

  async function readMillicores(signal: AbortSignal): Promise<Map<string, number> | undefined> {
    const until = AbortSignal.any([signal, AbortSignal.timeout(metricsMs)])
    const found = new Map<string, number>()
    try {
      for (const { namespace } of childScopesOf(namespaces, { everywhere }))
        for (const [uid, value] of await podMetrics.millicores(namespace, until))
          found.set(uid, (found.get(uid) ?? 0) + value)
      return found
    } catch (thrown) {
      signal.throwIfAborted()
      log.warn('no metrics of pods, so no instance is hibernated', { error: operatorError(thrown) })
      return undefined
    }
  }

  async function recordBusy(uids: readonly string[], at: number, signal: AbortSignal): Promise<void> {
    try {
      await store.recordActivity(uids, at, signal)
    } catch (thrown) {
      signal.throwIfAborted()
      log.warn('activity not recorded', { instances: uids.length, error: operatorError(thrown) })
    }
  }
}
