import type { ChallengeInstance, Phase } from '../../../lib/crd/challenge-instance.ts'
import type { Stored } from '../../../lib/crd/objects.ts'

/** The instances that a command is about. Each part that is given narrows the selection. */
export interface Selection {
  /** Names, or `namespace/name`. Empty: instances of every name. */
  names: readonly string[]
  event?: number | undefined
  team?: number | undefined
  template?: string | undefined
  /** Any of these. */
  phases?: readonly Phase[] | undefined
  /** Any of these. */
  reasons?: readonly string[] | undefined
}

export const phases: readonly Phase[] = ['Pending', 'Provisioning', 'Ready', 'Idle', 'Failed', 'Terminating']

/** Returns whether the selection takes every instance, because no part of it is given. */
export function selectsEverything({ names, ...filters }: Selection): boolean {
  return names.length === 0 && Object.values(filters).every(each => each === undefined)
}

export function isSelected(instance: Stored<ChallengeInstance>, selection: Selection): boolean {
  const { names, event, team, template, phases: wanted, reasons } = selection
  const { spec } = instance
  return (
    (names.length === 0 || names.some(name => isCalled(instance, name))) &&
    (event === undefined || spec.owner.eventId === event) &&
    (team === undefined || spec.owner.teamId === team) &&
    (template === undefined || spec.templateRef === template) &&
    (wanted === undefined || wanted.includes(shownPhase(instance) ?? 'Pending')) &&
    (reasons === undefined || reasonsOf(instance).some(each => reasons.includes(each)))
  )
}

/** Returns the names of the selection that none of the instances has. */
export function namesWithoutInstance(
  instances: readonly Stored<ChallengeInstance>[],
  names: readonly string[],
): string[] {
  return names.filter(name => !instances.some(each => isCalled(each, name)))
}

/** The phase as it is printed: an instance is Terminating from the moment of its deletion, whatever its status says. */
export function shownPhase({ metadata, status }: Stored<ChallengeInstance>): Phase | undefined {
  return metadata.deletionTimestamp === undefined ? status?.phase : 'Terminating'
}

export function keyOf({ metadata }: { metadata: { namespace: string; name: string } }): string {
  return `${metadata.namespace}/${metadata.name}`
}

function isCalled(instance: Stored<ChallengeInstance>, name: string): boolean {
  return name === (name.includes('/') ? keyOf(instance) : instance.metadata.name)
}

/** The reason of the instance, and those of its conditions that do not hold, such as `Synced=False`. */
function reasonsOf({ status }: Stored<ChallengeInstance>): string[] {
  const failing = (status?.conditions ?? []).filter(each => each.status === 'False')
  return [...(status?.reason ? [status.reason] : []), ...failing.map(each => each.reason)]
}
