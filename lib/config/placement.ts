import type { Placement } from '../crd/challenge-template.ts'
import type { Variables } from './section.ts'

/** Where workloads may run, and what the namespaces are like that the operator makes for them. */
export interface PlacementSettings {
  /** Placement of a template that names none. */
  byDefault: Placement
  /** Placements that a template may have. The first one is `byDefault` if no list is configured. */
  allowed: readonly Placement[]
  /** Begins the name of every namespace that the operator makes. */
  namespacePrefix: string
  /** Hard limits of an event's namespace by resource, as a ResourceQuota has them; undefined: no quota. */
  eventQuota: Readonly<Record<string, string>> | undefined
  /** Minutes that the namespace of an event stays after its last instance went. */
  eventGraceMinutes: number
}

const placements = ['Shared', 'Event', 'Instance'] as const

const placementName = /^(Shared|Event|Instance)$/

/** Leaves room for the rest of the names: `event-`, and the sixteen digits of the largest event. */
const prefix = /^[a-z0-9](?:[-a-z0-9]{0,29})$/

/** A resource that a ResourceQuota counts, and a quantity. */
const quota = /^([a-z][-a-z0-9./]{0,100})=([0-9]+(?:\.[0-9]+)?(?:m|k|M|G|T|Ki|Mi|Gi|Ti)?)$/

export function placement(variables: Variables): PlacementSettings {
  const byDefault = variables.oneOf('OPERATOR_PLACEMENT', placements) ?? 'Shared'
  return {
    byDefault,
    allowed: allowed(variables, byDefault),
    namespacePrefix:
      variables.matching(
        'OPERATOR_NAMESPACE_PREFIX',
        prefix,
        'the beginning of a namespace name, up to 30 of a-z, 0-9 and dashes, such as ctf-',
      ) ?? 'ctf-',
    eventQuota: eventQuota(variables),
    eventGraceMinutes: variables.integer('OPERATOR_EVENT_GRACE_MINUTES', 10, 10_080, 'minutes') ?? 60,
  }
}

function allowed(variables: Variables, byDefault: Placement): readonly Placement[] {
  const listed = variables.list('OPERATOR_PLACEMENTS', placementName, 'Shared, Event or Instance')
  if (listed === undefined) return [byDefault]
  const known = listed.filter((each): each is Placement => placementName.test(each))
  if (known.length > 0 && !known.includes(byDefault))
    variables.addProblem(
      `OPERATOR_PLACEMENTS does not list ${byDefault}, which OPERATOR_PLACEMENT gives to templates that name none; ` +
        `add ${byDefault}, or set OPERATOR_PLACEMENT to ${known[0]}`,
    )
  return known
}

function eventQuota(variables: Variables): Record<string, string> | undefined {
  const expected = 'a limit as resource=quantity, such as cpu=40, memory=80Gi or pods=500'
  const pairs = (variables.list('OPERATOR_EVENT_QUOTA', quota, expected) ?? []).flatMap(text => {
    const [, resource, quantity] = quota.exec(text) ?? []
    return resource === undefined || quantity === undefined ? [] : [[resource, quantity] as const]
  })
  return pairs.length === 0 ? undefined : Object.fromEntries(pairs)
}

/** Whether workloads may run in namespaces that are not listed in OPERATOR_NAMESPACE. */
export function placesElsewhere({ allowed: placements }: PlacementSettings): boolean {
  return placements.some(each => each !== 'Shared')
}

/** Milliseconds that the namespace of an event stays after its last instance went. */
export function eventGraceMs({ eventGraceMinutes }: PlacementSettings): number {
  return eventGraceMinutes * 60_000
}
