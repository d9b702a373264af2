import { endTogether, sleep, type Timers } from '../../abort.ts'
import { optionalKinds, type ServedKinds } from '../../crd/child-kinds.ts'
import type { WatchTarget } from '../../kubernetes/cluster.ts'
import type { Log } from '../../telemetry/log.ts'
import { type WatchedCluster, type Watching, watchTargets } from './targets.ts'

export interface FollowedKindsOptions {
  /** The collections that the cluster serves at the start. */
  targets: readonly WatchTarget[]
  watching: Watching
  gateway: WatchedCluster['gateway']
  leaseNamespace: WatchedCluster['leaseNamespace']
  /** Asks the cluster which of the optional kinds it serves. */
  discover: (signal: AbortSignal) => Promise<ServedKinds>
  /** Watches a collection until the signal aborts, and calls `onListed` at the end of each list. */
  watch: (target: WatchTarget, onListed: () => void, signal: AbortSignal) => Promise<void>
  /** A collection that is watched from the start was listed. */
  onListed: (target: WatchTarget) => void
  /** The cluster serves a kind that it lacked at the start, or another version of it, and every list of it has ended. */
  onServed: (kind: string) => void
  /** The cluster serves a kind no more. */
  onDropped: (kind: string) => void
  timers: Timers
  log: Log
}

/** Watches the kinds that the cluster serves, also those that are installed later. */
export interface FollowedKinds {
  /** Runs until the signal aborts. @param ended see `endTogether` */
  follow(served: ServedKinds, signal: AbortSignal, ended: AbortController): Promise<void>
  /** A status names a child of a kind that is not watched: the cluster serves it by now. */
  askSoon(): void
}

/** Milliseconds between two questions. Only a Gateway whose kind is installed later, or a kind that goes, waits for so long. */
const everyMs = 300_000

/** Milliseconds between two questions while a status names a child of a kind that is not watched. */
const soonMs = 10_000

/** The cluster is asked again only where routes may be made: where a Gateway is configured. */
export function createFollowedKinds(options: FollowedKindsOptions): FollowedKinds {
  const {
    targets: begun,
    watching,
    gateway,
    leaseNamespace,
    discover,
    watch,
    onListed,
    onServed,
    onDropped,
    timers,
    log,
  } = options
  const running = new Map<string, AbortController>()
  let asked = new AbortController()

  function start(target: WatchTarget, listed: () => void, signal: AbortSignal): Promise<void> {
    const dropped = new AbortController()
    running.set(keyOf(target), dropped)
    return watch(target, listed, AbortSignal.any([signal, dropped.signal]))
  }

  /** Starts the watches of kinds that are served since, and ends those of kinds that are not. */
  function change(served: ServedKinds, signal: AbortSignal): Promise<void>[] {
    const targets = watchTargets(watching, { served, gateway, leaseNamespace })
    const fresh = targets.filter(target => !running.has(keyOf(target)))
    const kept = new Set(targets.map(keyOf))
    for (const [key, dropped] of running) {
      if (kept.has(key)) continue
      running.delete(key)
      dropped.abort()
    }
    const kinds = [...new Set(fresh.map(({ kind }) => kind))]
    if (kinds.length > 0) log.info('kinds are served since, and watched', { kinds })
    const unlisted = new Set(fresh)
    const listed = (target: WatchTarget) => {
      const isFirst = unlisted.delete(target)
      if (isFirst && ![...unlisted].some(({ kind }) => kind === target.kind)) onServed(target.kind)
    }
    return fresh.map(target => start(target, () => listed(target), signal))
  }

  async function pause(signal: AbortSignal): Promise<void> {
    await sleep(soonMs, signal, timers)
    await sleep(everyMs - soonMs, AbortSignal.any([signal, asked.signal]), timers)
    asked = new AbortController()
  }

  async function lookAgain(before: ServedKinds, signal: AbortSignal, ended: AbortController): Promise<void> {
    if (gateway === undefined) return
    for (let known = before; ; ) {
      await pause(signal)
      if (signal.aborted) return
      const served = await ask(signal)
      if (served === undefined) continue
      for (const { kind } of optionalKinds) if (known.has(kind) && !served.has(kind)) onDropped(kind)
      known = served
      const fresh = change(served, signal)
      if (fresh.length > 0) return endTogether([...fresh, lookAgain(served, signal, ended)], ended)
    }
  }

  /** A cluster that does not answer is asked again. */
  async function ask(signal: AbortSignal): Promise<ServedKinds | undefined> {
    try {
      return await discover(signal)
    } catch (error) {
      if (!signal.aborted) log.warn('the served kinds could not be read', { error })
      return undefined
    }
  }

  return {
    follow(served, signal, ended) {
      const first = begun.map(target => start(target, () => onListed(target), signal))
      return endTogether([...first, lookAgain(served, signal, ended)], ended)
    },
    askSoon: () => asked.abort(),
  }
}

function keyOf({ apiVersion, kind, namespace = '', fieldSelector = '' }: WatchTarget): string {
  return `${apiVersion}/${kind}/${namespace}/${fieldSelector}`
}
