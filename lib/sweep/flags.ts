import type { ChallengeTemplate } from '../crd/challenge-template.ts'
import type { NamespacedReference, Stored } from '../crd/objects.ts'
import { partsOfKeys } from '../desired/configuration.ts'
import { flagSource } from '../desired/flag/flag.ts'
import { isProblem } from '../desired/problem.ts'
import { isRevisionOf } from '../desired/template-revision.ts'
import { noKeys } from '../observed/configuration.ts'
import { type Mismatch, mismatch, unchangedForGrace } from './mismatch.ts'
import type { SweptInstance } from './swept-instance.ts'

/** What flags are made from, as this sweep knows it. */
export interface FlagInputs {
  /** Hash of the keys of flags, see `configurationOf`; undefined: the sweep has none. */
  keys: string | undefined
  /** Versions of the Secrets that templates take a flag from. Empty if the sweep is no resync, and so read none. */
  secrets: readonly FlagSecretVersion[]
}

export interface FlagSecretVersion {
  template: Stored<ChallengeTemplate>
  /** resourceVersion; undefined: there is no such Secret. */
  version: string | undefined
}

/**
 * How long an instance that was sent is left alone, in milliseconds. A pass of a function that has other keys than this
 * sweep changes nothing.
 */
export const resendMs = 600_000

/** How many changed flags of one template are sent before the first of them is seen to serve. */
const firstSent = 2

/** The most that are sent of one template in a second, as for a change of a template. */
const perSecond = 10

/** No Secret has another name, and a selector of such a name would be refused. */
const secretName = /^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$/

/** Returns the Secret that a template takes its flag from; undefined if it takes none from a Secret. */
export function flagSecretOf(template: Stored<ChallengeTemplate>): NamespacedReference | undefined {
  const source = flagSource(template)
  if (isProblem(source) || source.kind !== 'secretRef' || !secretName.test(source.secret.name))
    return undefined
  const { namespace } = template.metadata
  return { apiVersion: 'v1', kind: 'Secret', namespace, name: source.secret.name }
}

export interface FlagSweep {
  resync: boolean
  /** Seconds between two sweeps. */
  intervalSeconds: number
  /** Epoch milliseconds. */
  now: number
  /** Whether the instance with this uid was sent within the last `resendMs`. */
  sentOfLate: (uid: string) => boolean
}

/**
 * Returns instances whose flag is hashed with another pepper, or made from an earlier version of a Secret than it should be.
 *
 * They take it up in turn: of each template two at first, then as many as have taken it up and are Ready, at most ten a
 * second. Only a resync begins; the sweeps in between go on, by comparing the instances with each other. So neither a sweep
 * whose keys differ from those of reconcile, nor a Secret that changes nothing, sends more than a few messages.
 */
export function flagMismatches(
  instances: Iterable<SweptInstance>,
  inputs: FlagInputs,
  { resync, intervalSeconds, now, sentOfLate }: FlagSweep,
): Mismatch[] {
  const byTemplate = Map.groupBy(instances, ({ namespace, templateRef }) => `${namespace}/${templateRef}`)
  return [...byTemplate.values()].flatMap(group => {
    const live = group.filter(each => each.deletingSince === undefined && each.reason !== 'Paused')
    const isBehind = behind(live, inputs)
    const late = live.filter(isBehind)
    if (late.length === 0) return []
    const done = live.filter(each => !isBehind(each) && hasFlag(each))
    if (done.length === 0 && !resync) return []
    const ready = done.filter(each => each.phase === 'Ready').length
    const limit = Math.min(Math.max(firstSent, ready), perSecond * intervalSeconds)
    return late
      .filter(each => unchangedForGrace(each, now) && !sentOfLate(each.uid))
      .filter(each => resync || each.reason === undefined)
      .toSorted((a, b) => Number(a.phase === 'Ready') - Number(b.phase === 'Ready'))
      .slice(0, limit)
      .map(each => mismatch(each, 'changed'))
  })
}

/** A record that is absent is that of an earlier release, or of an instance without a flag. It counts as right. */
function behind(
  instances: readonly SweptInstance[],
  { keys, secrets }: FlagInputs,
): (instance: SweptInstance) => boolean {
  const newest = new Map<string, string>()
  for (const { revision, flagVersion } of instances)
    if (revision !== undefined && flagVersion !== undefined && isNewer(flagVersion, newest.get(revision)))
      newest.set(revision, flagVersion)
  return ({ namespace, templateRef, revision, flagVersion, keys: recorded }) => {
    if (keys !== undefined && recorded !== undefined && hasOtherPepper(recorded, keys)) return true
    if (revision === undefined || flagVersion === undefined) return false
    const read = secrets.find(
      ({ template: { metadata } }) => metadata.namespace === namespace && metadata.name === templateRef,
    )
    const present = read && isRevisionOf(revision, read.template) ? read.version : undefined
    return present === undefined ? isNewer(newest.get(revision), flagVersion) : present !== flagVersion
  }
}

/** A changed FLAG_SECRET makes the flags of new instances only, so it makes nobody late. */
function hasOtherPepper(recorded: string, keys: string): boolean {
  return recorded !== noKeys && partsOfKeys(recorded).pepper !== partsOfKeys(keys).pepper
}

/** Versions of one API server are decimal numbers that grow. */
function isNewer(version: string | undefined, than: string | undefined): boolean {
  if (version === undefined) return false
  if (than === undefined || version.length !== than.length) return version.length > (than?.length ?? 0)
  return version > than
}

function hasFlag({ keys, flagVersion }: SweptInstance): boolean {
  return flagVersion !== undefined || (keys !== undefined && keys !== noKeys)
}
