import type { OutgoingChange } from '../../../lib/aws/queue-ports.ts'
import { type OperatorConfig, parseOperatorConfig } from '../../../lib/config/operator.ts'
import type { WatchedNamespaces } from '../../../lib/crd/namespaces.ts'
import type { KubernetesObject, Stored } from '../../../lib/crd/objects.ts'
import { createForward, type ElectionCallbacks } from '../../../lib/forward.ts'
import type { WatchHandlers } from '../../../lib/kubernetes/cluster.ts'
import { keptMetrics } from '../../support/kept-metrics.ts'
import { recordedLog } from '../../support/recorded-log.ts'
import { virtualTime } from './virtual-time.ts'
import { namespace, standingPolicy } from './watched-objects.ts'

/** The settings of the forwarder, for instances with a shared policy and for those with one of their own. */
export const presentSettings = 's1'
export const presentSettingsOfOwnPolicy = 's1-own'

/** What a cluster serves that has the Gateway API. */
export const gatewayApi = ['Gateway', 'HTTPRoute', 'TLSRoute'].map(
  (kind): readonly [kind: string, version: string] => [kind, 'gateway.networking.k8s.io/v1'],
)

/** The handlers of the second watch of a kind, which also end the lists of the first one. */
function together(
  first: WatchHandlers<KubernetesObject>,
  second: WatchHandlers<KubernetesObject>,
): WatchHandlers<KubernetesObject> {
  const both = [first, second]
  return {
    ...second,
    onListed: list => both.forEach(each => void each.onListed(list)),
    onBookmark: () => both.forEach(each => void each.onBookmark?.()),
  }
}

/** A forwarder on a virtual clock. The test controls its watches, its lease and its queue. */
export function simulatedForwarder(
  namespaces: WatchedNamespaces = [namespace],
  config: OperatorConfig = parseOperatorConfig({}),
  served: readonly (readonly [kind: string, version: string])[] = config.exposure.gateway ? gatewayApi : [],
) {
  const time = virtualTime()
  const measured = keptMetrics()
  const recorded = recordedLog()
  const handlers = new Map<string, WatchHandlers<KubernetesObject>>()
  const sent: OutgoingChange[] = []
  const queue = { refuses: false }
  const cluster = { served, asked: 0 }
  let lease: ElectionCallbacks | undefined
  /** Whether the election is certain that the lease is held. */
  let certain = true
  const stop = new AbortController()
  const aborted = new Promise<void>(resolve => stop.signal.addEventListener('abort', () => resolve()))
  const forward = createForward({
    watch: ({ kind }, given, signal) => {
      const own = given as unknown as WatchHandlers<KubernetesObject>
      const earlier = handlers.get(kind)
      // The two ConfigMaps of the clock have a watch each. Their lists end together here.
      const isSecond = kind === 'ConfigMap' && earlier !== undefined
      handlers.set(kind, isSecond ? together(earlier, own) : own)
      return new Promise<void>(resolve =>
        signal.addEventListener('abort', () => {
          if (handlers.get(kind) === own) handlers.delete(kind)
          resolve()
        }),
      )
    },
    warnMinutes: 0,
    elect: callbacks => {
      lease = callbacks
      return aborted
    },
    changes: {
      sendBatch: async changes => {
        if (queue.refuses) return changes
        sent.push(...changes)
        return []
      },
    },
    watching: { namespaces, everywhere: false },
    discover: async () => {
      cluster.asked += 1
      return new Map(cluster.served)
    },
    gateway: config.exposure.gateway,
    leaseNamespace: namespace,
    settings: { settings: presentSettings, settingsOfOwnPolicy: presentSettingsOfOwnPolicy },
    policySettings: config,
    log: recorded.log,
    metrics: measured.metrics,
    now: time.now,
    timers: time.timers,
    random: () => 0.5,
  })
  const done = forward(stop.signal)
  const see = (...objects: Stored<KubernetesObject>[]) => {
    for (const object of objects) handlers.get(object.kind)?.onObject(object)
  }
  return {
    ...time,
    /** The metrics of the forwarder. */
    measured,
    /** The messages of its log that warn. */
    warnings: () => recorded.lines.filter(({ level }) => level === 'warn').map(({ message }) => message),
    handlers,
    sent,
    queue,
    /** What the cluster serves of the optional kinds, and how often it was asked. */
    cluster,
    see,
    gone: (...objects: Stored<KubernetesObject>[]) => {
      for (const object of objects) handlers.get(object.kind)?.onGone(object)
    },
    lead: () => lease?.onLeading(() => certain),
    /** @param inOrder the lease was held until now */
    follow: ({ inOrder = false, foreign = false } = {}) => lease?.onFollowing({ inOrder, foreign }),
    doubt() {
      certain = false
      lease?.onDoubt()
    },
    confirm() {
      certain = true
      lease?.onConfirmed()
    },
    listed: (...kindsListed: string[]) => {
      for (const [kind, each] of handlers)
        if (kindsListed.length === 0 || kindsListed.includes(kind))
          each.onListed({ repeated: false, found: 0 })
    },
    /** Ends every list after these objects and the default-deny policy, and takes the lease. */
    async begin(...objects: Stored<KubernetesObject>[]) {
      await time.advance()
      see(standingPolicy(), ...objects)
      for (const each of handlers.values()) each.onListed({ repeated: false, found: 0 })
      lease?.onLeading(() => certain)
      await time.advance()
    },
    /** Removes and returns the changes sent since the last call, as `cause name`. */
    takeSent: () => sent.splice(0).map(({ change }) => `${change.cause} ${change.name}`),
    async end() {
      stop.abort()
      await time.advance()
      await done
    },
  }
}
