import type { QueueUrls } from '../../lib/aws/queues.ts'
import type { SqsClientOptions } from '../../lib/aws/sqs-client.ts'
import { runLimited } from '../../lib/concurrency.ts'
import type { ChallengeInstance } from '../../lib/crd/challenge-instance.ts'
import { annotations, apiVersion, finalizer, labels, managedBySelector } from '../../lib/crd/group.ts'
import type { Kind, KubernetesObject, StoredOfAnyScope } from '../../lib/crd/objects.ts'
import { eventNamespacePrefix } from '../../lib/desired/identity.ts'
import type { KubernetesClient } from '../../lib/kubernetes/client/http.ts'
import { openCluster } from '../../lib/kubernetes/open-cluster.ts'
import { waitUntil } from '../../local/process/wait.ts'
import { create, pathOf, remove } from './edits.ts'
import { instanceOf, templateOf } from './objects.ts'
import type { TestOperator } from './operator.ts'
import { sweepOnce } from './sweeping.ts'

export interface ManyEventsOptions {
  queues: QueueUrls & { clientOptions: SqsClientOptions }
  /** One instance is made in each event. */
  events: readonly number[]
  /** The team of the instance of an event. */
  teamOf: (event: number) => number
  /** How long each step may last, in milliseconds. */
  limitMs: number
  progress?: (line: string) => void
}

/** What one resync did. */
export interface SweepFigures {
  milliseconds: number
  /** Calls to the API server. */
  calls: number
  enqueued: number
}

export interface ManyEventsFigures {
  /** Seconds until every instance had its workload, until every one was gone, and until the namespaces were marked and gone. */
  seconds: { made: number; ended: number; marked: number; collected: number }
  /** What the instances said when all were made, each phase and reason once. */
  answers: string[]
  /** Namespaces of the events, and the objects that each of them has, by kind. */
  made: Record<string, number>
  /** The resyncs: over instances that run, over namespaces without use, over those whose grace is over, over nothing. */
  sweeps: { inUse: SweepFigures; unused: SweepFigures; over: SweepFigures; after: SweepFigures }
  /** Namespaces that are left at the end. */
  left: string[]
}

const template = 'many-events'
const sideBySide = 5
const namespaceKind = { apiVersion: 'v1', kind: 'Namespace' }

/** Kinds of which the operator puts one object into each namespace of an event, beside the policy of a template's rules. */
const standing: readonly Kind[] = [
  { apiVersion: 'v1', kind: 'ResourceQuota' },
  { apiVersion: 'v1', kind: 'LimitRange' },
  { apiVersion: 'apps/v1', kind: 'Deployment' },
  { apiVersion: 'v1', kind: 'Service' },
]

/**
 * Gives many events a namespace each, ends their instances, and has the namespaces collected. The instances are suspended,
 * so that no pod starts. No test waits for the grace: the marks of the namespaces are set back in its place.
 */
export async function manyEvents(
  operator: TestOperator,
  { queues, events, teamOf, limitMs, progress = () => {} }: ManyEventsOptions,
): Promise<ManyEventsFigures> {
  const { cluster, client, config, namespace, signal } = operator
  const prefix = eventNamespacePrefix(config.placement)
  const wanted = new Set(events.map(event => `${prefix}${event}`))
  const nameOf = (event: number) => `many-${event}`
  const began = () => {
    const start = performance.now()
    return () => (performance.now() - start) / 1_000
  }

  async function instances(): Promise<ChallengeInstance[]> {
    const kind = { apiVersion, kind: 'ChallengeInstance' }
    const pages = await Array.fromAsync(cluster.list<ChallengeInstance>(kind, { namespace }, signal))
    return pages.flat().filter(({ spec }) => spec.templateRef === template)
  }

  async function namespaces(): Promise<StoredOfAnyScope<KubernetesObject>[]> {
    const selection = { labelSelector: `${managedBySelector},${labels.placement}=Event`, metadataOnly: true }
    const pages = await Array.fromAsync(cluster.listClusterScoped(namespaceKind, selection, signal))
    return pages.flat().filter(({ metadata }) => wanted.has(metadata.name))
  }

  async function countOf(kind: Kind): Promise<number> {
    const selection = { labelSelector: managedBySelector, metadataOnly: true }
    const pages = await Array.fromAsync(cluster.list(kind, selection, signal))
    return pages.flat().filter(({ metadata }) => wanted.has(metadata.namespace)).length
  }

  /** Makes one resync beside those of the operator, and counts its calls. */
  async function resync(): Promise<SweepFigures> {
    const counted = countedClient(client)
    const start = performance.now()
    const { enqueued } = await sweepOnce(operator, queues, { cluster: openCluster(counted.client) })
    return { milliseconds: performance.now() - start, calls: counted.calls(), enqueued }
  }

  async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
    await waitUntil(what, limitMs, isSo, signal)
    progress(what)
  }

  await create(operator, templateOf(namespace, template, { placement: 'Event' }))
  const making = began()
  await runLimited(events, sideBySide, async event => {
    const owner = { teamId: teamOf(event), eventId: event }
    const made = instanceOf(namespace, nameOf(event), template, owner.teamId, { owner, suspend: true })
    await create(operator, { ...made, metadata: { ...made.metadata, finalizers: [finalizer] } })
  })
  progress('all instances are created')
  let all: ChallengeInstance[] = []
  await until('every instance has its workload', async () => {
    all = await instances()
    return all.filter(({ status }) => status?.phase === 'Idle').length === events.length
  })
  const seconds = { made: making(), ended: 0, marked: 0, collected: 0 }
  const answers = [...new Set(all.map(({ status }) => `${status?.phase} ${status?.reason}`))]
  const counts = await Promise.all(standing.map(async kind => [kind.kind, await countOf(kind)] as const))
  const made = { Namespace: (await namespaces()).length, ...Object.fromEntries(counts) }
  let inUse = await resync()
  await until('a resync finds nothing', async () => {
    if (inUse.enqueued > 0) inUse = await resync()
    return inUse.enqueued === 0
  })

  const ending = began()
  await runLimited(events, sideBySide, event => remove(operator, 'ChallengeInstance', nameOf(event)))
  await until('every instance is gone', async () => (await instances()).length === 0)
  seconds.ended = ending()

  const marking = began()
  const unused = await resync()
  const isMarked = ({ metadata }: KubernetesObject) =>
    metadata.annotations?.[annotations.unusedSince] !== undefined
  await until('every namespace is marked', async () => (await namespaces()).every(isMarked))
  seconds.marked = marking()

  await runLimited(await namespaces(), sideBySide, async ({ metadata: { name } }) => {
    const past = { [annotations.unusedSince]: '2026-01-01T00:00:00Z' }
    const request = { body: { metadata: { annotations: past } }, contentType: 'application/merge-patch+json' }
    await client.request('PATCH', pathOf({ ...namespaceKind, name }), request, signal)
  })
  const collecting = began()
  const over = await resync()
  await until('every namespace is gone', async () => (await namespaces()).length === 0)
  seconds.collected = collecting()
  const after = await resync()
  const left = (await namespaces()).map(({ metadata }) => metadata.name)
  return { seconds, answers, made, sweeps: { inUse, unused, over, after }, left }
}

function countedClient(inner: KubernetesClient): { client: KubernetesClient; calls: () => number } {
  let calls = 0
  const client: KubernetesClient = {
    ...inner,
    request(...given) {
      calls += 1
      return inner.request(...given)
    },
  }
  return { client, calls: () => calls }
}
