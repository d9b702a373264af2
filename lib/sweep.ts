import type { ChangesQueue, OutgoingChange } from './aws/queue-ports.ts'
import type { ClockState } from './clock/state.ts'
import type { OperatorConfig } from './config/operator.ts'
import { placesElsewhere } from './config/placement.ts'
import type { ChallengeInstance } from './crd/challenge-instance.ts'
import type { ChallengeTemplate } from './crd/challenge-template.ts'
import { comparesMetadata, dependentKinds, servedChildKinds } from './crd/child-kinds.ts'
import { apiVersion, labels, managedBySelector } from './crd/group.ts'
import { childScopesOf, scopesOf, watchedBy } from './crd/namespaces.ts'
import type { Kind, KubernetesObject, Stored } from './crd/objects.ts'
import { configurationOf } from './desired/configuration.ts'
import type { Cluster, ListOptions } from './kubernetes/cluster.ts'
import type { PodMetrics } from './kubernetes/pod-metrics.ts'
import type { Cause } from './messages.ts'
import { createIntactCheck } from './observed/policy-digest.ts'
import type { OpenRow, Store } from './store/store.ts'
import { namedCertificate, wrongCertificates } from './sweep/certificates.ts'
import { creditsUnreported, notHeldBack, readSweptClock, rowsNotHeldBack } from './sweep/clock.ts'
import { outdatedCopies } from './sweep/copied-secrets.ts'
import { type KeptPod, type KeptPods, keptPods } from './sweep/eviction.ts'
import { createFindUse } from './sweep/find-use.ts'
import {
  type FlagInputs,
  type FlagSecretVersion,
  flagMismatches,
  flagSecretOf,
  resendMs,
} from './sweep/flags.ts'
import { pruneHistory } from './sweep/history.ts'
import { leftOver } from './sweep/left-over.ts'
import { lostOfLate } from './sweep/lost.ts'
import { mismatchMessage, unusedMessage, withTrace, wrongPolicyMessage } from './sweep/messages.ts'
import {
  childMismatches,
  type DependentOwner,
  dependentOwner,
  goneOwners,
  isOfWatched,
  longestOverdueMs,
  type Mismatch,
  needsRecheck,
  opened,
  overdue,
  resumed,
  rowMismatches,
  slowTeardowns,
  unwarned,
} from './sweep/mismatch.ts'
import { ownNamespacesLeft } from './sweep/namespaces.ts'
import { openRowsByUid } from './sweep/open-rows.ts'
import { paced } from './sweep/pace.ts'
import { createPlacementLists } from './sweep/placement.ts'
import {
  defaultDenyNeeds,
  type PolicyNeed,
  policyNeed,
  unusedPolicies,
  wrongPolicies,
} from './sweep/policies.ts'
import { missingRevisions } from './sweep/revisions.ts'
import { secretVersion } from './sweep/secret-version.ts'
import { type SweptChild, sweptChild } from './sweep/swept-child.ts'
import { type SweptInstance, sweptInstance } from './sweep/swept-instance.ts'
import { tlsCopies } from './sweep/tls-copies.ts'
import { believesActivity, wholeSince } from './sweep/whole.ts'
import type { Log } from './telemetry/log.ts'
import { currentTraceparent } from './telemetry/scope.ts'

export interface SweepDependencies {
  cluster: Cluster
  podMetrics: PodMetrics
  store: Store
  changes: Pick<ChangesQueue, 'send' | 'isEmpty'>
  config: OperatorConfig
  /** Returns the state of the organiser's clock. */
  readClock: (signal: AbortSignal) => Promise<ClockState>
  /** Events go to an event bus. Default: they do. */
  publishes?: boolean
  /** Epoch milliseconds. */
  now: () => number
  log: Log
}

export interface Swept {
  /** The number of instances that were compared. */
  examined: number
  /** The number of keys that the queue accepted. The next sweeps find the refused ones again, and rows beyond the pace. */
  enqueued: number
  /** The number of messages for each cause, also of refused ones. */
  findings: ReadonlyMap<Cause, number>
  /** For how long the instance that is most overdue should have been gone, in milliseconds. During a pause none is overdue. */
  overdueMs: number
  /** The number of instances whose row the database lacks. */
  unsynced: number
}

/** What the objects of all operators on the cluster show. */
interface Seen {
  /** The namespaces in which an instance has a child. */
  occupied: Set<string>
  /** The shared policies that pods and Deployments need. */
  needs: PolicyNeed[]
  /** The certificates that Ingresses name, see `namedCertificate`. */
  certificates: Set<string>
  /** The pods that are kept from eviction. */
  kept: Map<string, KeptPod>
}

interface PoliciesToCompare {
  children: readonly SweptChild[]
  needs: readonly PolicyNeed[]
  instances: ReadonlyMap<string, SweptInstance>
  clock: ClockState
}

interface IdleGround {
  rows: ReadonlyMap<string, OpenRow>
  instances: ReadonlyMap<string, SweptInstance>
  /** When the rows were read, in epoch milliseconds. */
  readAt: number
  /** Undefined: it is no resync. */
  kept?: KeptPods
  templates?: readonly Stored<ChallengeTemplate>[]
  clock: ClockState
}

/** `resync` also compares every child with its record, and so covers Secrets, which the forwarder does not watch. */
export type Sweep = (options: { resync: boolean }, signal: AbortSignal) => Promise<Swept>

/**
 * Creates the safety net for lost messages and timers. A sweep enqueues the key of every instance whose record differs
 * from what is observed. It deletes old history, and changes nothing else itself.
 *
 * Guarantees: rows, children and templates are read before instances, so an object that is created meanwhile does not
 * look like an orphan. A list that breaks off throws, so a partial list condemns no object.
 */
export function createSweep(deps: SweepDependencies): Sweep {
  const { cluster, store, changes, config, now, log, publishes = true } = deps
  const { namespaces, placement, intervalSeconds, warnMinutes, historyDays, idleMillicores } = config
  const { tlsSecret } = config.exposure
  const { keys } = configurationOf(config)
  const flagsSentAt = new Map<string, number>()
  const watched = watchedBy(namespaces)
  const isOpen = createIntactCheck(config)
  const isClosed = createIntactCheck({ ...config, lockdown: true })
  const everywhere = placesElsewhere(placement)
  const placed = createPlacementLists(cluster)
  const findUse = createFindUse({ ...deps, namespaces, everywhere, intervalSeconds, idleMillicores })

  return async ({ resync }, signal) => {
    const clock = await readSweptClock(deps, signal)
    const readAt = now()
    const rows = await openRowsByUid(deps, { resync }, signal)
    const made = resync && everywhere ? await placed.namespaces(signal) : []
    const seen: Seen = { occupied: new Set(), needs: [], certificates: new Set(), kept: new Map() }
    const children = resync ? await listChildren(seen, clock, signal) : []
    const dependents = resync ? await listDependentOwners(seen, signal) : []
    const templates = resync ? await listTemplates(signal) : []
    const secrets = await flagSecretVersions(templates, signal)
    const instances = await listInstances(signal)
    const copies = await placed.pullSecretCopies(templates, instances.values(), signal)
    const tls = resync ? await tlsCopies(deps, tlsSecret, instances.values(), signal) : undefined
    const at = now()
    const known = { instances, readAt, clock, ...(resync && { kept: seen.kept, templates }) }
    const used = rows ? await findIdle({ ...known, rows }, at, signal) : []
    const sinceMs = resync ? Number.POSITIVE_INFINITY : intervalSeconds * 1_000
    const wrongRows = rows ? rowsToSend({ rows, instances, clock }, at) : []
    const found = [
      ...overdue(instances.values(), at, sinceMs),
      ...opened(instances.values(), at, sinceMs),
      ...unwarned(instances.values(), warnMinutes, { now: at, sinceMs }),
      ...used,
      ...(rows && !clock.paused ? await admittedNow(rows, signal) : []),
      ...resumed(instances.values()),
      ...slowTeardowns(instances.values(), at, sinceMs),
      ...(await lostOfLate(deps, instances.values(), { now: at, sinceMs }, signal)),
      ...flagsToSend(instances, { keys, secrets }, { resync, at }),
      ...(resync
        ? [
            ...needsRecheck(instances.values(), at),
            ...childMismatches(children, instances, at),
            ...goneOwners(dependents, instances),
            ...missingRevisions({ children, templates }, instances.values(), at),
            ...ownNamespacesLeft(made, instances, watched),
            ...outdatedCopies([...copies, ...(tls?.needed ?? [])], children, at),
            ...wrongCertificates(children, instances, { source: tlsSecret, exists: tls?.exists, now: at }),
            ...paced(creditsUnreported(instances.values(), clock.credits, at), at, intervalSeconds).now,
          ]
        : []),
    ]
    const outgoing = [
      ...unique([...wrongRows, ...notHeldBack(found, instances, clock)]).map(each =>
        mismatchMessage(each, at),
      ),
      ...(clock.paused ? [] : leftOver({ children, templates, instances, made, ...seen, placement }, at)),
      ...(resync ? policyMessages({ children, needs: seen.needs, instances, clock }, at) : []),
    ]
    const traced = withTrace(outgoing, currentTraceparent())
    const refused = traced.length === 0 ? [] : await changes.send(traced, signal)
    // The sweep that found the database away would wait for it once more.
    if (rows) await pruneHistory({ ...deps, namespaces, historyDays, publishes }, signal)
    return {
      examined: instances.size,
      enqueued: outgoing.length - refused.length,
      findings: countByCause(outgoing),
      overdueMs: clock.paused ? 0 : longestOverdueMs(instances.values(), at),
      unsynced: instances.values().reduce((count, { unsynced }) => count + (unsynced ? 1 : 0), 0),
    }
  }

  function rowsToSend(
    { rows, instances, clock }: Pick<IdleGround, 'rows' | 'instances' | 'clock'>,
    at: number,
  ): Mismatch[] {
    const wrong = rowsNotHeldBack(rowMismatches(rows, instances, at), instances, clock)
    const { now: sent, left } = paced(wrong, at, intervalSeconds)
    if (left > 0) log.warn('sweep leaves rows to the next ones', { rows: left })
    return sent
  }

  /** Also finds out whether limits may admit anybody. */
  async function findIdle(
    { rows, instances, readAt, kept, templates, clock: { paused } }: IdleGround,
    at: number,
    signal: AbortSignal,
  ): Promise<Mismatch[]> {
    const whole = await wholeSince(deps, { rows, instances, readAt }, signal)
    const listed = async () => templates ?? listTemplates(signal)
    const hibernates = believesActivity(whole, at)
    return findUse({ rows, instances, kept, paused, hibernates, listTemplates: listed, now: at }, signal)
  }

  /** A limit may have been raised, or the message of an instance that got room may be lost. */
  async function admittedNow(rows: ReadonlyMap<string, OpenRow>, signal: AbortSignal): Promise<Mismatch[]> {
    if (!rows.values().some(({ reason }) => reason === 'Queued')) return []
    const { wakes } = await store.admitWaiting(await cluster.uid(signal), signal)
    return wakes.map(key => ({ key, cause: 'drift', resourceVersion: '' }))
  }

  /** Policies that instances of another operator need are repaired by that one. */
  function policyMessages(
    { children, needs, instances, clock }: PoliciesToCompare,
    at: number,
  ): OutgoingChange[] {
    const neededHere = needs.filter(({ neededBy }) => watched(neededBy.namespace))
    const policies = [...defaultDenyNeeds(instances.values()), ...neededHere]
    return [
      ...(clock.paused ? [] : unusedPolicies(children, needs, at)).map(each =>
        unusedMessage('Policy', each, at),
      ),
      ...wrongPolicies(children, policies).map(each => wrongPolicyMessage(each, at)),
    ]
  }

  /** Finds instances with an outdated flag, and remembers them, so that the next sweeps do not send them again. */
  function flagsToSend(
    instances: ReadonlyMap<string, SweptInstance>,
    inputs: FlagInputs,
    { resync, at }: { resync: boolean; at: number },
  ): Mismatch[] {
    for (const [uid, sentAt] of flagsSentAt) if (at - sentAt >= resendMs) flagsSentAt.delete(uid)
    const sentOfLate = (uid: string) => flagsSentAt.has(uid)
    const found = flagMismatches(instances.values(), inputs, { resync, intervalSeconds, now: at, sentOfLate })
    for (const { key } of found) flagsSentAt.set(key.uid, at)
    return found
  }

  async function listInstances(signal: AbortSignal): Promise<Map<string, SweptInstance>> {
    const kind = { apiVersion, kind: 'ChallengeInstance' }
    const instances = new Map<string, SweptInstance>()
    for await (const page of pages<ChallengeInstance>(kind, {}, signal))
      for (const instance of page) instances.set(instance.metadata.uid, sweptInstance(instance))
    return instances
  }

  async function listChildren(
    { occupied, needs, certificates }: Seen,
    { lockdown }: ClockState,
    signal: AbortSignal,
  ): Promise<SweptChild[]> {
    const isIntact = lockdown ? isClosed : isOpen
    const children: SweptChild[] = []
    for (const kind of servedChildKinds(await cluster.servedKinds(signal))) {
      const selection = { metadataOnly: comparesMetadata(kind), labelSelector: managedBySelector }
      for await (const page of childPages(kind, selection, signal)) {
        for (const { metadata } of page)
          if (metadata.labels?.[labels.instanceUid] !== undefined) occupied.add(metadata.namespace)
        needs.push(...page.flatMap(each => policyNeed(each) ?? []))
        for (const name of page.flatMap(namedCertificate)) certificates.add(name)
        const own = page.filter(each => isOfWatched(each, watched))
        children.push(...own.map(each => sweptChild(each, isIntact)))
      }
    }
    return children
  }

  /** Lists the instances that ReplicaSets and pods name, each once. */
  async function listDependentOwners({ needs, kept }: Seen, signal: AbortSignal): Promise<DependentOwner[]> {
    const owners = new Map<string, DependentOwner>()
    const selection = { metadataOnly: true, labelSelector: managedBySelector }
    for (const kind of dependentKinds)
      for await (const page of childPages(kind, selection, signal)) {
        needs.push(...page.flatMap(each => policyNeed(each) ?? []))
        for (const [uid, pod] of keptPods(page)) kept.set(uid, pod)
        for (const owner of page.flatMap(each => dependentOwner(each) ?? []))
          if (watched(owner.key.namespace)) owners.set(owner.key.uid, owner)
      }
    return [...owners.values()]
  }

  async function listTemplates(signal: AbortSignal): Promise<Stored<ChallengeTemplate>[]> {
    const kind = { apiVersion, kind: 'ChallengeTemplate' }
    const templates: Stored<ChallengeTemplate>[] = []
    for await (const page of pages<ChallengeTemplate>(kind, {}, signal)) templates.push(...page)
    return templates
  }

  async function flagSecretVersions(
    templates: readonly Stored<ChallengeTemplate>[],
    signal: AbortSignal,
  ): Promise<FlagSecretVersion[]> {
    const versions: FlagSecretVersion[] = []
    for (const template of templates) {
      const secret = flagSecretOf(template)
      if (secret === undefined) continue
      versions.push({ template, version: await secretVersion(cluster, secret, signal) })
    }
    return versions
  }

  async function* childPages(kind: Kind, selection: ListOptions, signal: AbortSignal) {
    for (const scope of childScopesOf(namespaces, { everywhere }))
      yield* cluster.list<KubernetesObject>(kind, { ...selection, ...scope }, signal)
  }

  async function* pages<T extends KubernetesObject>(kind: Kind, selection: ListOptions, signal: AbortSignal) {
    for (const scope of scopesOf(namespaces)) yield* cluster.list<T>(kind, { ...selection, ...scope }, signal)
  }
}

function countByCause(outgoing: readonly OutgoingChange[]): Map<Cause, number> {
  const counts = new Map<Cause, number>()
  for (const { change } of outgoing) counts.set(change.cause, (counts.get(change.cause) ?? 0) + 1)
  return counts
}

function unique(found: readonly Mismatch[]): Mismatch[] {
  return [...new Map(found.map(each => [`${each.key.uid}/${each.cause}`, each])).values()]
}
