import type { ChallengeTemplate } from '../crd/challenge-template.ts'
import { childScopesOf, type WatchedNamespaces } from '../crd/namespaces.ts'
import type { Stored } from '../crd/objects.ts'
import { operatorError } from '../errors.ts'
import type { PodMetrics } from '../kubernetes/pod-metrics.ts'
import type { OpenRow, Store } from '../store/store.ts'
import type { Log } from '../telemetry/log.ts'
import { mayBeIdle, useFound } from './idle.ts'
import type { Mismatch } from './mismatch.ts'
import { paced } from './pace.ts'
import type { SweptInstance } from './swept-instance.ts'

export interface UseDependencies {
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
  /** Epoch milliseconds. */
  now: number
}

export type FindUse = (seen: ToCompare, signal: AbortSignal) => Promise<Mismatch[]>

/** A list of all pods takes a second for some thousands, in milliseconds. */
const metricsMs = 10_000

/**
 * Finds the instances that nobody uses any more, and those whose players came back by way of the database. It also records
 * in the database who is busy by processor time, with one statement for all of them.
 *
 * Guarantees: without an answer of a source that is configured nobody counts as idle. While no instance is old enough to
 * be idle, nothing is read.
 */
export function createFindUse(deps: UseDependencies): FindUse {
  const { store, podMetrics, namespaces, everywhere, idleMillicores, intervalSeconds, log } = deps

  return async ({ instances, rows, listTemplates, now }, signal) => {
    const asks = mayBeIdle(instances.values(), { rows, idleMillicores, now })
    const templates = asks ? await listTemplates() : []
    const hasTimeout = templates.some(({ spec }) => spec.idleTimeoutMinutes !== 0)
    const counts = hasTimeout && idleMillicores !== undefined
    const millicores = counts ? await readMillicores(signal) : undefined
    if (counts && millicores === undefined) return []
    const found = useFound(instances, { rows, templates, millicores, idleMillicores, now })
    if (found.busy.length > 0) await recordBusy(found.busy, now, signal)
    if (found.silent > 0)
      log.warn('activity ended for many instances at once, so none of them is hibernated', {
        instances: found.silent,
      })
    return paced(found.mismatches, now, intervalSeconds).now
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
