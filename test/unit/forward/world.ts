import type { Timers } from '../../../lib/abort.ts'
import type { OutgoingChange } from '../../../lib/aws/queue-ports.ts'
import type {
  ChallengeInstance,
  ChallengeInstanceStatus,
  Child,
} from '../../../lib/crd/challenge-instance.ts'
import { fieldManager, finalizer, labels } from '../../../lib/crd/group.ts'
import type { WatchedNamespaces } from '../../../lib/crd/namespaces.ts'
import type { Deployment, KubernetesObject, ObjectMeta, Pod, Stored } from '../../../lib/crd/objects.ts'
import { createForward } from '../../../lib/forward.ts'
import type { WatchHandlers } from '../../../lib/kubernetes/cluster.ts'
import { childVersion } from '../../../lib/observed/child-version.ts'
import { silentLog } from '../../../lib/telemetry/log.ts'
import { storedInstance, storedTemplate } from '../../support/objects.ts'

export const start = Date.parse('2026-05-01T12:00:00Z')
export const namespace = 'ctf'

/** Time that moves only when told to; everything due runs in order. */
export function virtualTime() {
  let at = start
  let next = 0
  const waiting = new Map<number, { at: number; run: () => void }>()
  const timers: Timers = {
    set(run, afterMs) {
      next += 1
      waiting.set(next, { at: at + afterMs, run })
      return next
    },
    clear: timer => void waiting.delete(timer as number),
  }
  return {
    timers,
    now: () => at,
    /** Lets what is due run, and what follows from it. */
    async advance(ms = 0) {
      const until = at + ms
      await quiet()
      for (;;) {
        const [id, due] = [...waiting].sort(([a, x], [b, y]) => x.at - y.at || a - b)[0] ?? []
        if (id === undefined || due === undefined || due.at > until) break
        waiting.delete(id)
        at = Math.max(at, due.at)
        due.run()
        await quiet()
      }
      at = until
    },
  }
}

async function quiet(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise(resolve => setImmediate(resolve))
}

let versions = 1_000
export const nextVersion = () => String(++versions)

export function template(generation = 1, uid = 'template-1'): Stored<KubernetesObject> {
  return storedTemplate({ metadata: { uid, generation, resourceVersion: nextVersion() } })
}

export function instance(name = 'team-1', metadata: ObjectMeta = {}): Stored<ChallengeInstance> {
  const own = { name, uid: `uid-${name}`, resourceVersion: nextVersion(), finalizers: [finalizer] }
  return storedInstance({ metadata: { ...own, ...metadata } })
}

export function withStatus(
  of: Stored<ChallengeInstance>,
  status: ChallengeInstanceStatus,
): Stored<ChallengeInstance> {
  return { ...of, metadata: { ...of.metadata, resourceVersion: nextVersion() }, status }
}

const kinds = [
  ['v1', 'Service'],
  ['networking.k8s.io/v1', 'NetworkPolicy'],
  ['apps/v1', 'Deployment'],
] as const

function managed(of: Stored<ChallengeInstance>, kind: string): Stored<KubernetesObject>['metadata'] {
  const { name, uid } = of.metadata
  return {
    namespace,
    name,
    uid: `${kind}-${uid}`,
    resourceVersion: nextVersion(),
    ...(kind === 'Service' || kind === 'Pod' ? {} : { generation: 1 }),
    labels: {
      [labels.managedBy]: fieldManager,
      [labels.instance]: name,
      [labels.instanceNamespace]: namespace,
      [labels.instanceUid]: uid,
    },
  }
}

/** Service, NetworkPolicy and Deployment, as a pass has just made them. */
export function childrenOf(of: Stored<ChallengeInstance>): Stored<KubernetesObject>[] {
  return kinds.map(([version, kind]) => {
    const made = { apiVersion: version, kind, metadata: managed(of, kind) }
    return kind === 'Deployment' ? deployment(made as Stored<Deployment>, false) : made
  })
}

export function deployment(of: Stored<Deployment>, available: boolean): Stored<Deployment> {
  const replicas = available ? 1 : 0
  const observedGeneration = of.metadata.generation ?? 0
  return {
    ...of,
    metadata: { ...of.metadata, resourceVersion: nextVersion() },
    spec: { replicas: 1 } as Deployment['spec'],
    status: { observedGeneration, availableReplicas: replicas, updatedReplicas: 1 },
  }
}

export function pod(
  of: Stored<ChallengeInstance>,
  ready: boolean,
  name = `${of.metadata.name}-pod`,
): Stored<Pod> {
  const startedAt = new Date(start).toISOString()
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { ...managed(of, 'Pod'), name, creationTimestamp: startedAt },
    status: {
      phase: 'Running',
      conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }],
      containerStatuses: [{ name: 'web', ready, restartCount: 0, state: { running: { startedAt } } }],
    },
  }
}

/** `status.children` for these objects. A Secret is always there, and never in the table. */
export function recorded(children: Stored<KubernetesObject>[]): Child[] {
  const secret = { apiVersion: 'v1', kind: 'Secret', namespace, name: 'flag', version: '1-x', hash: '' }
  const made = children.map(({ apiVersion: version, kind, metadata }) => ({
    apiVersion: version,
    kind,
    namespace: metadata.namespace,
    name: metadata.name,
    version: childVersion(metadata),
    hash: '',
  }))
  return [...made, secret]
}

/** A status as a pass writes it. */
export function status(
  children: Stored<KubernetesObject>[],
  ready: boolean,
  more: ChallengeInstanceStatus = {},
): ChallengeInstanceStatus {
  const lastTransitionTime = new Date(start).toISOString()
  const why = ready ? 'Available' : 'Progressing'
  return {
    phase: ready ? 'Ready' : 'Provisioning',
    observedGeneration: 1,
    template: { uid: 'template-1', generation: 1, hash: 'h' },
    children: recorded(children),
    conditions: [
      { type: 'Ready', status: ready ? 'True' : 'False', reason: why, message: '', lastTransitionTime },
    ],
    ...more,
  }
}

/** An instance that runs and has nothing undone, with all that belongs to it. */
export function settled(name = 'team-1', more: ChallengeInstanceStatus = {}) {
  const bare = instance(name)
  const children = childrenOf(bare).map(child =>
    child.kind === 'Deployment' ? deployment(child as Stored<Deployment>, true) : child,
  )
  const running = pod(bare, true)
  const podName = running.metadata.name
  const whole = withStatus(bare, status(children, true, { podName, ...more }))
  return { instance: whole, children, pod: running, all: [whole, ...children, running] }
}

/** The forwarder between watches, a lease and a queue that the test plays. */
export function forwarder(namespaces: WatchedNamespaces = [namespace]) {
  const time = virtualTime()
  const handlers = new Map<string, WatchHandlers<KubernetesObject>>()
  const sent: OutgoingChange[] = []
  const queue = { refuses: false }
  let lease: { onLeading(): void; onFollowing(): void } | undefined
  const stop = new AbortController()
  const aborted = new Promise<void>(resolve => stop.signal.addEventListener('abort', () => resolve()))
  const forward = createForward({
    watch: (target, given) => {
      handlers.set(target.kind, given as unknown as WatchHandlers<KubernetesObject>)
      return aborted
    },
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
    namespaces,
    log: silentLog,
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
    handlers,
    sent,
    queue,
    see,
    gone: (...objects: Stored<KubernetesObject>[]) => {
      for (const object of objects) handlers.get(object.kind)?.onGone(object)
    },
    lead: () => lease?.onLeading(),
    follow: () => lease?.onFollowing(),
    listed: (...kindsListed: string[]) => {
      for (const [kind, each] of handlers)
        if (kindsListed.length === 0 || kindsListed.includes(kind)) each.onListed()
    },
    /** Listed with these objects, and leading. */
    async begin(...objects: Stored<KubernetesObject>[]) {
      see(...objects)
      for (const each of handlers.values()) each.onListed()
      lease?.onLeading()
      await time.advance()
    },
    /** `cause name` of what was sent since the last call. */
    news: () => sent.splice(0).map(({ change }) => `${change.cause} ${change.name}`),
    async end() {
      stop.abort()
      await time.advance()
      await done
    },
  }
}
