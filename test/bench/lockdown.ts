import { setTimeout as sleep } from 'node:timers/promises'
import { clockName } from '../../lib/clock/state.ts'
import { labels } from '../../lib/crd/group.ts'
import type { NetworkPolicy } from '../../lib/crd/objects.ts'
import { collectionPath } from '../../lib/kubernetes/client/paths.ts'
import { watch } from '../../lib/kubernetes/watch/watch.ts'
import { silentLog } from '../../lib/telemetry/log.ts'
import { waitUntil } from '../../local/process/wait.ts'
import type { BenchCluster } from './bench-cluster.ts'
import type { Result } from './figures.ts'
import { operated } from './sample.ts'

/** Milliseconds from the change of the organiser's clock until all policies have followed. */
const lockdownMs = 5_000

/** Milliseconds after which everything that a change causes has ended. */
const pauseMs = 5_000

const limitMs = 120_000

const configMaps = collectionPath({ apiVersion: 'v1', kind: 'ConfigMap' }, operated)

/** Closes all policies by the organiser's clock, and opens them again. @param instances their number, for the title */
export async function measureLockdown(
  cluster: BenchCluster,
  instances: number,
  signal: AbortSignal,
): Promise<Result> {
  const policies = await watchPolicies(cluster)
  const body = { metadata: { namespace: operated, name: clockName }, data: { lockdown: 'true' } }
  const close = await followed(cluster, { policies, closed: true }, signal, async () => {
    await cluster.bare.call('POST', configMaps, JSON.stringify(body), signal)
  })
  const open = await followed(cluster, { policies, closed: false }, signal, async () => {
    const request = { body: { data: { lockdown: 'false' } }, contentType: 'application/merge-patch+json' }
    await cluster.client.request('PATCH', `${configMaps}/${clockName}`, request, signal)
  })
  return {
    scenario: `lockdown of ${instances} instances with ${policies.size} policies`,
    figures: Object.entries({ closed: close, 'open again': open }).flatMap(([what, figures]) => [
      {
        name: `all policies ${what}`,
        value: figures.ms,
        unit: 'ms',
        aim: { bound: 'at most', value: lockdownMs },
      },
      { name: `writes of policies until ${what}`, value: figures.policyWrites, unit: '' },
      { name: `writes of instances until ${what}`, value: figures.instanceWrites, unit: '' },
    ]),
  }
}

/** Whether each policy that instances share is closed, by its namespace and name, as a watch shows it. */
async function watchPolicies({ client, signal }: BenchCluster): Promise<ReadonlyMap<string, boolean>> {
  const isClosed = new Map<string, boolean>()
  const keyOf = ({ metadata }: { metadata: { namespace?: string; name?: string } }) =>
    `${metadata.namespace}/${metadata.name}`
  const target = { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', labelSelector: labels.policy }
  await new Promise<void>((resolve, reject) => {
    const handlers = {
      onObject: (policy: NetworkPolicy) => {
        isClosed.set(keyOf(policy), !policy.spec.ingress?.length && !policy.spec.egress?.length)
      },
      onGone: (policy: { metadata: { namespace?: string; name?: string } }) =>
        void isClosed.delete(keyOf(policy)),
      onListed: () => resolve(),
    }
    watch<NetworkPolicy>(client, target, handlers, { log: silentLog }, signal).catch(reject)
  })
  return isClosed
}

/** Changes the organiser's clock, and waits until every policy has followed. */
async function followed(
  { audit }: BenchCluster,
  { policies, closed }: { policies: ReadonlyMap<string, boolean>; closed: boolean },
  signal: AbortSignal,
  change: () => Promise<void>,
) {
  const from = await audit.mark(signal)
  const started = performance.now()
  await change()
  const haveFollowed = async () => [...policies.values()].every(isClosed => isClosed === closed)
  await waitUntil(`all policies ${closed ? 'closed' : 'open'}`, limitMs, haveFollowed, signal)
  const ms = performance.now() - started
  await sleep(pauseMs)
  const calls = await audit.calls(from, await audit.mark(signal))
  const verbs = ['create', 'update', 'patch', 'delete']
  const writes = (kind: string) =>
    calls.filter(({ resource, verb, code }) => {
      const isOfKind = resource.split('/')[0] === kind
      return isOfKind && verbs.includes(verb) && code < 300
    }).length
  return {
    ms,
    policyWrites: writes('networkpolicies'),
    instanceWrites: writes('challengeinstances'),
  }
}
