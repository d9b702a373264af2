import type { Timers } from '../../abort.ts'
import { defaultDenyName } from '../../crd/group.ts'
import type { GoneObject, KubernetesObject, NetworkPolicy, Stored } from '../../crd/objects.ts'
import type { PolicySettings } from '../../desired/objects/network-policy.ts'
import type { ObjectKey } from '../../messages.ts'
import { createIntactCheck, isStandingPolicyName, policyDigest } from '../../observed/policy-digest.ts'
import type { Log } from '../../telemetry/log.ts'
import { policyChange } from '../send/outgoing-change.ts'
import type { Sender } from '../send/sender.ts'
import { createIntern } from '../table/intern.ts'
import type { Row } from '../table/row.ts'
import type { Table } from '../table/table.ts'
import { createClock, type Due } from './clock.ts'
import type { SeenClock } from './clock-sight.ts'
import { findPolicyUser, newestEvents, policiesNeededBy } from './policy-users.ts'

export interface StandingPoliciesOptions {
  sender: Pick<Sender, 'put'>
  table: Pick<Table, 'rows' | 'dependentsIn'>
  /** The settings that the policies should be built with. */
  settings: PolicySettings
  /** The organiser's clock. During a lockdown the policies are closed. */
  organisersClock: SeenClock
  isActive: () => boolean
  /** Epoch milliseconds. */
  now: () => number
  timers: Timers
  /** A W3C traceparent for a change that starts here. */
  trace: () => string
  log: Log
}

/**
 * Watches the policies that instances share: the default-deny policy of each namespace, and those of templates' rules.
 * They are judged by themselves and wake no instance. If one is absent or changed although something needs it, its own key
 * is sent. Changed settings of the operator make every policy differ, and are written into them by that.
 */
export interface StandingPolicies {
  put(policy: Stored<NetworkPolicy>): void
  remove(policy: GoneObject): void
  /** Something may have begun to need a policy that is wrong. */
  rowChanged(row: Row): void
  evaluateAll(): void
  stop(): void
  /** The number of policies that are kept. */
  readonly size: number
}

/** What is known of one policy. */
interface Standing extends Due {
  namespace: string
  name: string
  /** Undefined: it was never seen. */
  uid: string | undefined
  /** See `policyDigest`; undefined: there is no policy. */
  digest: string | undefined
  /** The policy is there and says what it should, without a lockdown and during one. */
  isOpen: boolean
  isClosed: boolean
  /** resourceVersion of the policy as it was seen last, also after it is gone. */
  version: string
  /** Since when the policy is absent although something needs it, in epoch milliseconds. */
  absentSince: number | undefined
  sent: { count: number; at: number; version: string } | undefined
}

/** A policy and the first pod that needs it come from two watches, in any order. */
const absentMs = 1_000

/** The wait after a message about a policy that is changed again, in milliseconds. It doubles up to the longest. */
const firstWaitMs = 1_000
/** The wait after a message whose effect does not show. */
const lostAfterMs = 5_000
/** A policy that stays open is worth a message twice a minute, whatever keeps opening it. */
const longestWaitMs = 30_000
/** A change that comes later than this after the last message begins anew. */
const calmMs = 600_000

export function isStandingPolicy({ kind, metadata }: KubernetesObject): boolean {
  return kind === 'NetworkPolicy' && isStandingPolicyName(metadata.name ?? '')
}

export function createStandingPolicies(options: StandingPoliciesOptions): StandingPolicies {
  const { sender, table, settings, organisersClock, isActive, now, timers, trace, log } = options
  // The names are few. A namespace that has no policy any more has no entry in their maps.
  const policies = new Map<string, Map<string, Standing>>()
  const intern = createIntern()
  const isOpen = createIntactCheck(settings)
  const isClosed = createIntactCheck({ ...settings, lockdown: true })
  const clock = createClock<Standing>(evaluate, now, timers)

  function standingOf({ namespace, name }: ObjectKey): Standing {
    const named = policies.get(name) ?? new Map<string, Standing>()
    const known = named.get(namespace)
    if (known) return known
    const standing: Standing = {
      namespace,
      name: intern(name),
      uid: undefined,
      digest: undefined,
      isOpen: false,
      isClosed: false,
      version: '-',
      absentSince: undefined,
      sent: undefined,
      clockIndex: -1,
      dueAt: 0,
    }
    policies.set(standing.name, named.set(namespace, standing))
    return standing
  }

  function forget({ namespace, name }: Standing): void {
    const named = policies.get(name)
    named?.delete(namespace)
    if (named?.size === 0) policies.delete(name)
  }

  function* all(): Iterable<Standing> {
    for (const named of policies.values()) yield* named.values()
  }

  function neededBy(standing: Standing): ObjectKey | undefined {
    return findPolicyUser(standing, standing.sent?.count ?? 0, table.dependentsIn)
  }

  function evaluate(standing: Standing): void {
    if (!isActive()) return
    const at = now()
    const user = isIntact(standing) ? undefined : neededBy(standing)
    if (user === undefined) {
      standing.absentSince = undefined
      clock.set(standing, undefined)
      if (standing.digest === undefined) forget(standing)
      return
    }
    if (dueAt(standing, at) <= at) send(standing, user, at)
    clock.set(standing, dueAt(standing, at))
  }

  function isIntact(standing: Standing): boolean {
    return organisersClock.state.lockdown ? standing.isClosed : standing.isOpen
  }

  function send(standing: Standing, user: ObjectKey, at: number): void {
    const { namespace, name, uid, digest, version, sent } = standing
    const wrong = { namespace, name, uid, digest, resourceVersion: version, neededBy: user }
    const repeated = sent?.version === version
    const change = policyChange(wrong, { at, trace: trace(), clock: organisersClock.version, repeated })
    sender.put({ subject: `Policy ${namespace}/${name}`, change, urgency: 'first' })
    const follows = followsLockdown(standing)
    const count = sent !== undefined && at - sent.at < calmMs && !follows ? sent.count + 1 : 1
    standing.sent = { count, at, version }
    // The beginning and the end of a lockdown are told once for all policies.
    if (!follows) log.warn(warningOf(name), { namespace, policy: name, absent: digest === undefined, count })
  }

  /** @returns when the next message is due. A lockdown, or its end, has its effect at once, however often it comes. */
  function dueAt(standing: Standing, at: number): number {
    return followsLockdown(standing) ? at : sendAt(standing, at)
  }

  /** Whether a lockdown has begun or ended since the policy was written, and no message was sent about that. */
  function followsLockdown({ isOpen, isClosed, version, sent }: Standing): boolean {
    const isOther = organisersClock.state.lockdown ? isOpen : isClosed
    return isOther && sent?.version !== version
  }

  return {
    put(policy) {
      const standing = standingOf(policy.metadata)
      standing.uid = policy.metadata.uid
      standing.digest = intern(policyDigest(policy))
      standing.isOpen = isOpen(policy)
      standing.isClosed = isClosed(policy)
      standing.version = policy.metadata.resourceVersion
      evaluate(standing)
    },
    remove({ metadata }) {
      const standing = standingOf(metadata)
      standing.digest = undefined
      standing.isOpen = false
      standing.isClosed = false
      if (isActive()) evaluate(standing)
      // A standby would keep the namespaces that came and went meanwhile. It finds what is needed when it takes over.
      else forget(standing)
    },
    rowChanged(row) {
      if (!isActive()) return
      for (const needed of policiesNeededBy(row)) {
        const standing = standingOf(needed)
        if (!isIntact(standing) && standing.clockIndex === -1) evaluate(standing)
      }
    },
    evaluateAll() {
      for (const row of table.rows()) policiesNeededBy(row).forEach(standingOf)
      // A lockdown closes what is played now first.
      const newest = newestEvents(table.rows())
      const inOrder = [...all()].sort((one, other) => newest(other) - newest(one))
      for (const standing of inOrder) evaluate(standing)
    },
    get size() {
      return [...all()].length
    },
    stop: () => clock.clear(),
  }
}

function warningOf(name: string): string {
  return name === defaultDenyName
    ? 'default-deny policy is not as it was made'
    : 'shared policy is not as it was made'
}

/** @returns when the next message about a wrong policy is due, in epoch milliseconds */
function sendAt(standing: Standing, now: number): number {
  const { digest, version, sent } = standing
  if (digest === undefined) standing.absentSince ??= now
  const seen = digest === undefined ? (standing.absentSince ?? now) + absentMs : now
  if (sent === undefined || now - sent.at >= calmMs) return seen
  const first = sent.version === version ? lostAfterMs : firstWaitMs
  return Math.max(seen, sent.at + Math.min(first * 2 ** Math.min(sent.count - 1, 10), longestWaitMs))
}
