import type { Timers } from '../../abort.ts'
import { defaultDenyName } from '../../crd/group.ts'
import type { GoneObject, KubernetesObject, NetworkPolicy, Stored } from '../../crd/objects.ts'
import { defaultDeny } from '../../desired/objects/default-deny.ts'
import type { InstanceKey } from '../../messages.ts'
import { policyDigest } from '../../observed/policy-digest.ts'
import type { Log } from '../../telemetry/log.ts'
import { mismatchKey } from '../judge/mismatch.ts'
import type { Wake } from '../judge/verdict.ts'
import { outgoingChange } from '../send/outgoing-change.ts'
import type { Sender } from '../send/sender.ts'
import type { Row } from '../table/row.ts'
import { createClock, type Due } from './clock.ts'

export interface StandingPoliciesOptions {
  sender: Pick<Sender, 'put'>
  /** Every row of the table. It is read only while a policy is wrong. */
  rows: () => Iterable<Row>
  isActive: () => boolean
  /** Epoch milliseconds. */
  now: () => number
  timers: Timers
  /** A W3C traceparent for a change that starts here. */
  trace: () => string
  log: Log
}

/**
 * Watches the standing default-deny policy of each namespace. If it is absent or changed, the key of one instance that
 * runs there is sent with the cause `drift`; the pass of that instance puts the policy back.
 */
export interface StandingPolicies {
  put(policy: Stored<NetworkPolicy>): void
  remove(policy: GoneObject): void
  /** A workload may have begun to run in a namespace whose policy is wrong. */
  rowChanged(row: Row): void
  evaluateAll(): void
  stop(): void
}

/** What is known of the policy of one namespace. */
interface Standing extends Due {
  namespace: string
  /** Undefined: there is no policy. */
  digest: string | undefined
  /** resourceVersion of the policy as it was seen last, also after it is gone. */
  version: string
  /** Since when the policy is absent although a workload runs, in epoch milliseconds. */
  absentSince: number | undefined
  sent: { count: number; at: number; version: string } | undefined
}

/** The policy of a new namespace and its first instance come from two watches, in any order. */
const absentMs = 1_000

/** The wait after a message about a policy that is changed again, in milliseconds. It doubles up to the longest. */
const firstWaitMs = 1_000
/** The wait after a message whose effect does not show. */
const lostAfterMs = 5_000
/** A namespace with an open policy is worth a message twice a minute, whatever keeps opening it. */
const longestWaitMs = 30_000
/** A change that comes later than this after the last message begins anew. */
const calmMs = 600_000

export function isStandingPolicy({ kind, metadata }: KubernetesObject): boolean {
  return kind === 'NetworkPolicy' && metadata.name === defaultDenyName
}

export function createStandingPolicies(options: StandingPoliciesOptions): StandingPolicies {
  const { sender, rows, isActive, now, timers, trace, log } = options
  const wanted = policyDigest(defaultDeny(''))
  const policies = new Map<string, Standing>()
  const clock = createClock<Standing>(evaluate, now, timers)

  function standingOf(namespace: string): Standing {
    const known = policies.get(namespace)
    if (known) return known
    const standing: Standing = {
      namespace,
      digest: undefined,
      version: '-',
      absentSince: undefined,
      sent: undefined,
      clockIndex: -1,
      dueAt: 0,
    }
    policies.set(namespace, standing)
    return standing
  }

  function evaluate(standing: Standing): void {
    if (!isActive()) return
    const at = now()
    if (standing.digest === wanted) {
      standing.absentSince = undefined
      clock.set(standing, undefined)
      return
    }
    const running = runningIn(rows(), standing)
    if (running === undefined) {
      standing.absentSince = undefined
      clock.set(standing, undefined)
      if (standing.digest === undefined) policies.delete(standing.namespace)
      return
    }
    if (sendAt(standing, at) <= at) send(standing, running, at)
    clock.set(standing, sendAt(standing, at))
  }

  function send(standing: Standing, key: InstanceKey, at: number): void {
    const { namespace, digest, version, sent } = standing
    const mismatch = { kind: 'default-deny', namespace, digest } as const
    const wake: Wake = {
      uid: key.uid,
      cause: 'drift',
      mismatch,
      readVersions: [version],
      resourceVersion: '',
      delayMs: 0,
    }
    const change = outgoingChange({ key, wake, at, trace: trace(), repeated: sent?.version === version })
    sender.put({ subject: mismatchKey({ ...mismatch, digest: undefined }), change, startsWork: false })
    const count = sent !== undefined && at - sent.at < calmMs ? sent.count + 1 : 1
    standing.sent = { count, at, version }
    log.warn('default-deny policy is not as it was made', { namespace, absent: digest === undefined, count })
  }

  return {
    put(policy) {
      const standing = standingOf(policy.metadata.namespace)
      standing.digest = policyDigest(policy)
      standing.version = policy.metadata.resourceVersion
      evaluate(standing)
    },
    remove({ metadata }) {
      const standing = standingOf(metadata.namespace)
      standing.digest = undefined
      evaluate(standing)
    },
    rowChanged({ instance }) {
      const namespace = instance?.children[0]?.namespace
      if (namespace === undefined) return
      const standing = standingOf(namespace)
      if (standing.digest !== wanted && standing.clockIndex === -1) evaluate(standing)
    },
    evaluateAll: () => policies.forEach(evaluate),
    stop: () => clock.clear(),
  }
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

/** Returns the key of an instance whose pass puts the policy back, another one each time: the pass of one may fail. */
function runningIn(rows: Iterable<Row>, { namespace, sent }: Standing): InstanceKey | undefined {
  const keys = [...rows].flatMap(({ namespace: own, name, instance }) =>
    instance?.children.some(child => child.namespace === namespace)
      ? [{ namespace: own, name, uid: instance.uid }]
      : [],
  )
  return keys[(sent?.count ?? 0) % Math.max(1, keys.length)]
}
