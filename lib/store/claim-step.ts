import type { InstanceKey } from '../messages.ts'
import type { HostClaimTable } from './schema.ts'

type ClaimState = HostClaimTable['state']

/** Claims are ordered by the creation of their instances, in epoch milliseconds, then by uid. */
interface Claimant extends InstanceKey {
  createdAt: number
}

/** A claim of the database for one host. */
export interface KnownClaim extends Claimant {
  state: ClaimState
  /** The claim counts. Otherwise its instance is gone. */
  live: boolean
}

/** What an instance that asks for a host does to the claims of this host. */
export interface ClaimStep {
  /** The instance that the host belongs to. */
  holder: InstanceKey
  /** The state of the claim of the instance that asks. */
  state: 'held' | 'waiting'
  /** Whether anything has to be written. */
  changes: boolean
  /** Uids of the claims that count no more. */
  dead: string[]
  /** Uids of the claims that lose the host now. */
  displaced: string[]
  wakes: InstanceKey[]
}

/** Decides who of those that ask for a host holds it: the oldest. @param known all claims of the host, in any order */
export function stepOf(known: readonly KnownClaim[], asking: Claimant): ClaimStep {
  const others = known.filter(claim => claim.uid !== asking.uid)
  const live = others.filter(claim => claim.live)
  const [oldest] = live.toSorted(byAge)
  const loses = oldest !== undefined && byAge(oldest, asking) < 0
  const holder = loses ? oldest : asking
  const state = loses ? 'waiting' : 'held'
  const dead = uidsOf(others.filter(claim => !claim.live))
  const displaced = live.filter(claim => claim.state === 'held' && claim.uid !== holder.uid)
  const own = known.find(claim => claim.uid === asking.uid)
  const isSame = own?.live === true && own.state === state && byAge(own, asking) === 0
  const uninformed = live.filter(claim => claim.state === 'displaced' && claim.uid !== holder.uid)
  const promoted = loses && oldest.state !== 'held' ? [oldest] : []
  return {
    holder: keyOf(holder),
    state,
    changes: !isSame || dead.length > 0 || displaced.length > 0,
    dead,
    displaced: uidsOf(displaced),
    wakes: [...displaced, ...uninformed, ...promoted].map(keyOf),
  }
}

/** Returns the oldest claimant if it does not hold the host yet. @param known all claims of the host, in any order */
export function nextClaimant(known: readonly KnownClaim[]): InstanceKey[] {
  const [oldest] = known.filter(claim => claim.live).toSorted(byAge)
  return oldest === undefined || oldest.state === 'held' ? [] : [keyOf(oldest)]
}

function byAge(one: Claimant, other: Claimant): number {
  return one.createdAt - other.createdAt || (one.uid < other.uid ? -1 : Number(one.uid > other.uid))
}

function keyOf({ namespace, name, uid }: InstanceKey): InstanceKey {
  return { namespace, name, uid }
}

function uidsOf(claims: readonly KnownClaim[]): string[] {
  return claims.map(claim => claim.uid)
}
