import { annotations } from '../../crd/group.ts'
import type { KubernetesObject, Stored } from '../../crd/objects.ts'
import type { LogFields } from '../../telemetry/log-fields.ts'

/** coordination.k8s.io/v1, as client-go's leader election writes it. Times are RFC 3339 with microseconds. */
export interface Lease extends KubernetesObject {
  spec?: {
    holderIdentity?: string
    leaseDurationSeconds?: number
    acquireTime?: string
    renewTime?: string
    leaseTransitions?: number
  }
}

/** The Lease that elects the forwarder. */
export const forwarderLease = 'challenge-operator-watch-forwarder'

export const leaseKind = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease' } as const

/** Duration, renewal and retry are client-go's defaults. docs/operations.md promises duration and renewal. */
export const leaseTimes = {
  /** A lease that was not renewed for this long is free. */
  durationMs: 15_000,
  renewMs: 5_000,
  /** Pause after a failed call or a lost race. */
  retryMs: 2_000,
  /** A leader that could not renew for this long logs a warning. It leads on; client-go would stop here. */
  warnAfterMs: 10_000,
  /**
   * A leader that ends waits for so long until its standby leads. The standby needs a change in its watch and one write, some
   * ten milliseconds, and more where processors are short.
   */
  successorMs: 5_000,
}

export type LeaseTimes = typeof leaseTimes

/** Returns the identity of the holder; empty if there is none. */
export function holderOf(lease: Lease | undefined): string {
  return lease?.spec?.holderIdentity ?? ''
}

/** Returns the identity of the candidate that waits to lead; undefined: none is known of. It may have died since. */
export function standbyOf(lease: Lease | undefined): string | undefined {
  return lease?.metadata.annotations?.[annotations.standby]
}

/** Returns the lease to write in order to be known as the one that waits to lead. Its holder does not change. */
export function announcedLease(lease: Stored<Lease>, identity: string): Lease {
  const { metadata } = lease
  return {
    ...lease,
    metadata: { ...metadata, annotations: { ...metadata.annotations, [annotations.standby]: identity } },
  }
}

/** Whether both are one state of the election, as client-go compares them: annotations do not count. */
export function isSameRecord(one: Lease | undefined, other: Lease | undefined): boolean {
  const [first, second] = [one?.spec, other?.spec]
  return (
    first?.holderIdentity === second?.holderIdentity &&
    first?.renewTime === second?.renewTime &&
    first?.acquireTime === second?.acquireTime
  )
}

/** Who writes a Lease, beside the identity of the holder. It stands in annotations. */
export interface Writer {
  /** The installation; undefined: it has no name. */
  stack: string | undefined
  /** RFC 3339; undefined: not known. */
  deployedAt: string | undefined
  version: string
}

export interface Claim {
  namespace: string
  name: string
  identity: string
  durationMs: number
  writer: Writer
}

/** Whether the cluster belongs to another installation than the writer's. A Lease that names none belongs to anybody. */
export function isForeign(lease: Lease | undefined, { stack }: Pick<Writer, 'stack'>): boolean {
  const owner = lease?.metadata.annotations?.[annotations.stack]
  return owner !== undefined && owner !== stack
}

export const foreignMessage = 'the cluster belongs to another installation, nothing is sent'

/** The fields of the line with that message. */
export function foreignFields(lease: Lease | undefined, { stack }: Pick<Writer, 'stack'>): LogFields {
  return {
    owner: lease?.metadata.annotations?.[annotations.stack],
    // The key `stack` would be taken for the stack of an error.
    installation: stack,
    remedy: 'to make this installation the owner, run challenge-operator doctor --take-over',
  }
}

/** Whether the writer was deployed later than the holder. Without both times it was not. */
export function isOutdated(lease: Lease | undefined, { deployedAt }: Pick<Writer, 'deployedAt'>): boolean {
  return deployedMs(deployedAt) > deployedMs(lease?.metadata.annotations?.[annotations.deployedAt])
}

/** Whether the holder was deployed later than the writer. Without both times it was not. */
export function isLater(lease: Lease | undefined, { deployedAt }: Pick<Writer, 'deployedAt'>): boolean {
  return deployedMs(deployedAt) < deployedMs(lease?.metadata.annotations?.[annotations.deployedAt])
}

/** A time that is not known compares as neither earlier nor later. */
function deployedMs(time: string | undefined): number {
  return time === undefined ? Number.NaN : Date.parse(time)
}

/**
 * Returns the lease to write in order to hold it from now on, or to renew it.
 * @param lease as last seen; undefined: it is created
 * @param now epoch milliseconds
 */
export function heldLease(claim: Claim, lease: Stored<Lease> | undefined, now: number): Lease {
  const { namespace, name, identity: holderIdentity, durationMs } = claim
  const blank: Lease = { ...leaseKind, metadata: { namespace, name } }
  const isRenewal = lease !== undefined && holderOf(lease) === holderIdentity
  const { spec = {}, ...rest } = signed(lease ?? blank, claim.writer, { keepsStandby: isRenewal })
  const time = microTime(now)
  const renewal = { leaseDurationSeconds: Math.ceil(durationMs / 1000), renewTime: time }
  if (isRenewal) return { ...rest, spec: { ...spec, ...renewal } }
  const leaseTransitions = spec.leaseTransitions === undefined ? 0 : spec.leaseTransitions + 1
  return { ...rest, spec: { ...spec, ...renewal, holderIdentity, acquireTime: time, leaseTransitions } }
}

function signed(
  lease: Lease,
  { stack, deployedAt, version }: Writer,
  { keepsStandby }: { keepsStandby: boolean },
): Lease {
  const { annotations: earlier = {}, ...metadata } = lease.metadata
  const { [annotations.standby]: standby, ...named } = earlier
  const { [annotations.deployedAt]: _, [annotations.standsBy]: __, ...others } = named
  const own = {
    ...(standby === undefined || !keepsStandby ? {} : { [annotations.standby]: standby }),
    ...(stack === undefined ? {} : { [annotations.stack]: stack }),
    ...(deployedAt === undefined ? {} : { [annotations.deployedAt]: deployedAt }),
    [annotations.version]: version,
  }
  return { ...lease, metadata: { ...metadata, annotations: { ...others, ...own } } }
}

/** Returns the lease to write in order to give it up. Without a holder a standby takes it at once. */
export function releasedLease(lease: Stored<Lease>, now: number): Lease {
  const time = microTime(now)
  const released = { holderIdentity: '', leaseDurationSeconds: 1, renewTime: time, acquireTime: time }
  return { ...lease, spec: { ...lease.spec, ...released } }
}

/**
 * Returns the milliseconds until the lease may be taken.
 * @param observedAt when its present version was first seen, by our own clock: remote clocks are never compared
 */
export function takeableInMs(lease: Lease | undefined, observedAt: number, now: number): number {
  if (holderOf(lease) === '') return 0
  const duration = (lease?.spec?.leaseDurationSeconds ?? 0) * 1000
  return Math.max(0, observedAt + duration - now)
}

/** Whether nobody holds the lease, or its holder has not renewed it for its duration, by a clock that the holder has, too. */
export function isRunOut(lease: Lease | undefined, now: number): boolean {
  if (holderOf(lease) === '') return true
  const { renewTime = '', leaseDurationSeconds = 0 } = lease?.spec ?? {}
  const renewedAt = Date.parse(renewTime)
  return Number.isNaN(renewedAt) || now - renewedAt > leaseDurationSeconds * 1_000
}

/** Two clocks that are kept by NTP differ by less. */
const clockSlackMs = 2_000

/**
 * Returns since when a candidate that sees the lease for the first time may count its duration, in epoch milliseconds: since
 * its renewal, and not later than now. A holder whose clock is late is followed too early, once, which is harmless.
 */
export function countedSince(lease: Lease | undefined, now: number): number {
  const renewedAt = Date.parse(lease?.spec?.renewTime ?? '')
  return Number.isNaN(renewedAt) ? now : Math.min(now, renewedAt + clockSlackMs)
}

/** Returns whether `seen` is a later version than `known`, or another object. A watch may report our own writes late. */
export function isNewer(seen: Stored<Lease>, known: Stored<Lease> | undefined): boolean {
  if (known?.metadata.uid !== seen.metadata.uid) return true
  return BigInt(seen.metadata.resourceVersion) > BigInt(known.metadata.resourceVersion)
}

function microTime(now: number): string {
  return new Date(now).toISOString().replace('Z', '000Z')
}
