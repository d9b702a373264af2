import type { Child } from '../../crd/challenge-instance.ts'
import { type Configuration, isBuiltWith, partsOfKeys } from '../../desired/configuration.ts'
import { usesKeys } from '../../desired/flag/uses-keys.ts'
import { configurationText, noKeys, recordedConfiguration } from '../../observed/configuration.ts'
import { serves } from '../../observed/serves.ts'
import type { Observed } from '../pass/observation.ts'
import { isOwnPolicyClosed } from '../policy/own-policy.ts'

/**
 * The record of the settings that a pass considered. It considers them if it read the template and came to an end: also an
 * instance that it had to leave as it is counts, since that instance is built with the present settings later.
 * @param observes see `Findings.observesGeneration`
 * @param ownPolicy whether the instance is built with a policy of its own
 * @returns undefined: as before
 */
export function configurationAfter(
  observed: Observed,
  {
    configuration,
    observes,
    ownPolicy,
    keysUnknown,
  }: { configuration: Configuration; observes: boolean; ownPolicy: boolean; keysUnknown: boolean },
): string | undefined {
  const { instance, template, sources } = observed
  if (template.kind === 'unread' || sources.length === 0 || !observes) return undefined
  const before = recordedConfiguration(instance.status?.configuration)
  const { settings, settingsOfOwnPolicy, keys = noKeys } = configuration
  const takesUp = before !== undefined && !isBuiltWith(configuration, before.settings)
  const usesAny = sources.some(({ template: { spec } }) => usesKeys(spec))
  return configurationText({
    settings: ownPolicy ? settingsOfOwnPolicy : settings,
    keys: usesAny ? keysAfter(observed, { keys, keysUnknown }) : noKeys,
    served: takesUp ? serves(instance) : before?.served === true,
  })
}

/** An instance that keeps its flag keeps the hash of the FLAG_SECRET that made it, and takes up the pepper. */
function keysAfter(
  { instance, keptFlag }: Observed,
  { keys, keysUnknown }: { keys: string; keysUnknown: boolean },
): string {
  const before = recordedConfiguration(instance.status?.configuration)?.keys
  if (keysUnknown) return before ?? noKeys
  if (keptFlag === undefined || before === undefined || keys === noKeys) return keys
  return `${partsOfKeys(before).flagSecret}${partsOfKeys(keys).pepper}`
}

/**
 * The record after a pass that changed nothing but the policy of the instance's own, which follows a lockdown. Settings of
 * another time stay as they were recorded: they are still to be taken up.
 * @returns undefined: as before
 */
export function configurationAfterLockdown(
  { instance, clock }: Pick<Observed, 'instance' | 'clock'>,
  children: readonly Child[],
  { open, closed }: Configurations,
): string | undefined {
  const before = recordedConfiguration(instance.status?.configuration)
  const known = [open, closed].map(({ settingsOfOwnPolicy }) => settingsOfOwnPolicy)
  if (before === undefined || !known.includes(before.settings)) return undefined
  if (isOwnPolicyClosed(instance, children) !== clock.lockdown) return undefined
  const { settingsOfOwnPolicy: settings } = clock.lockdown ? closed : open
  return configurationText({ ...before, settings })
}

/** The present settings, and the same during a lockdown. */
export interface Configurations {
  open: Configuration
  closed: Configuration
}
