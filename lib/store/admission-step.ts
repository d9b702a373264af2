import type { Limits } from '../config/limits.ts'
import { sharedTeam } from '../crd/challenge-instance.ts'
import type { InstanceKey } from '../messages.ts'

/** What a limit counts. */
export type LimitName = 'template' | 'team' | 'event' | 'cluster'

/** The part of an instance that limits choose by. */
export interface LimitedInstance {
  /** In the namespace of the instance. */
  namespace: string
  template: string
  teamId: string
  eventId: string
  /** The limit of its template, as the instance knew it. Undefined: none. */
  maxInstances: number | undefined
}

/** An instance that waits for room. */
export interface Waiting extends InstanceKey, LimitedInstance {
  /** It has run before, and goes ahead of those that have not. */
  woken: boolean
  /** Epoch milliseconds. */
  createdAt: number
}

/** A group of instances that share a limit. */
export interface Scope {
  name: LimitName
  key: string
  limit: number
}

/** Returns the limits that hold for an instance, in the order in which they are told. One that all share counts for no team. */
export function scopesOf(instance: LimitedInstance, limits: Limits): Scope[] {
  const { namespace, template, teamId, eventId, maxInstances } = instance
  const scope = (name: LimitName, limit: number | undefined, ...key: string[]): Scope[] =>
    limit === undefined ? [] : [{ name, key: JSON.stringify([name, ...key]), limit }]
  return [
    ...(Number(teamId) === sharedTeam ? [] : scope('team', limits.perTeam, eventId, teamId)),
    ...scope('template', maxInstances, namespace, template),
    ...scope('event', limits.perEvent, eventId),
    ...scope('cluster', limits.total),
  ]
}

/** Counts the instances that hold room, by every group that a limit may be about. */
export class Holdings {
  readonly #counts = new Map<string, number>()

  constructor(holders: Iterable<LimitedInstance>) {
    for (const each of holders) this.add(each)
  }

  add({ namespace, template, teamId, eventId }: LimitedInstance): void {
    for (const key of [
      ['template', namespace, template],
      ['team', eventId, teamId],
      ['event', eventId],
      ['cluster'],
    ]) {
      const text = JSON.stringify(key)
      this.#counts.set(text, (this.#counts.get(text) ?? 0) + 1)
    }
  }

  of(key: string): number {
    return this.#counts.get(key) ?? 0
  }

  /** How many instances the team of an instance holds in its event. */
  ofTeam({ eventId, teamId }: LimitedInstance): number {
    return this.of(JSON.stringify(['team', eventId, teamId]))
  }

  /** Returns the first limit that leaves no room; undefined: there is room. */
  full(instance: LimitedInstance, limits: Limits): Scope | undefined {
    return scopesOf(instance, limits).find(({ key, limit }) => this.of(key) >= limit)
  }
}

/**
 * Returns who of those that wait gets room now: those that were woken go first, then those whose team holds least, then the
 * oldest. One that a limit of its own keeps out does not keep the others waiting.
 * @param holdings is counted up
 */
export function admitted<T extends Waiting>(waiting: readonly T[], holdings: Holdings, limits: Limits): T[] {
  const left = new Set(waiting)
  const chosen: T[] = []
  for (;;) {
    const fits = [...left].filter(each => holdings.full(each, limits) === undefined)
    const [first] = fits.toSorted((a, b) => byTurn(a, b, holdings))
    if (first === undefined) return chosen
    chosen.push(first)
    left.delete(first)
    holdings.add(first)
  }
}

function byTurn(a: Waiting, b: Waiting, holdings: Holdings): number {
  return (
    Number(b.woken) - Number(a.woken) ||
    holdings.ofTeam(a) - holdings.ofTeam(b) ||
    a.createdAt - b.createdAt ||
    (a.uid < b.uid ? -1 : 1)
  )
}
