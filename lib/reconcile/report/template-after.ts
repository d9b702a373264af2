import {
  type ChallengeInstanceStatus,
  generationOfNoTemplate,
  hashOfNoTemplate,
} from '../../crd/challenge-instance.ts'
import { serves } from '../../observed/serves.ts'
import type { Observed } from '../pass/observation.ts'

type TemplateStatus = NonNullable<ChallengeInstanceStatus['template']>

/** What the children of a pass are built from. */
export interface Built {
  hash: string
  revision: string
  /** See `TemplateSource`. */
  exists: boolean
  /** Version of the Secret that the flag comes from. */
  flagVersion: string | undefined
}

/**
 * The template in use, and the one that was considered. The template in use changes as soon as a child may have been built
 * from it. A pass considers the template that exists if it built from it, or refused it, or leaves it out because of
 * `Keep`. A pass that builds from an earlier one, because the change waits for its turn, considers nothing. A template that
 * is missing is considered as generation 0, which no template has, whatever else is wrong with the instance.
 * @param built undefined: the pass did not come to the children
 * @param observes see `Findings.observesGeneration`
 * @returns undefined: nothing was taken up or considered yet
 */
export function templateAfter(
  { instance, template: read, sources }: Observed,
  { built, observes }: { built: Built | undefined; observes: boolean },
): TemplateStatus | undefined {
  const before = instance.status?.template
  const inUse = built && { hash: built.hash, revision: built.revision }
  const existing = read.kind === 'read' ? read.template : undefined
  const considers = sources[0]?.exists === true || existing?.spec.updateStrategy === 'Keep'
  const missing = read.kind === 'missing'
  const considered =
    existing && observes && considers
      ? { uid: existing.metadata.uid, generation: existing.metadata.generation ?? 0 }
      : before && observes && missing
        ? { uid: before.uid, generation: generationOfNoTemplate }
        : undefined
  if (before === undefined && considered === undefined) return undefined
  const { served: servedBefore, flagVersion: versionBefore, ...rest } = { ...nothing, ...before }
  const readVersion = observes ? sources[0]?.flagSecret?.metadata.resourceVersion : versionBefore
  const flagVersion = sources.length === 0 ? versionBefore : built ? built.flagVersion : readVersion
  const after = { ...rest, ...inUse, ...considered, ...(flagVersion !== undefined && { flagVersion }) }
  const takesUp = built?.exists === true && !isInUse(before, built)
  const leavesOut = built?.exists !== true && !missing && !isConsidered(before, after)
  const served = takesUp ? serves(instance) : servedBefore && !leavesOut
  return served ? { ...after, served } : after
}

const nothing: TemplateStatus = {
  uid: '',
  generation: generationOfNoTemplate,
  hash: hashOfNoTemplate,
}

/** An instance of an earlier release has no revision. The hash then tells what it took up. */
function isInUse(before: TemplateStatus | undefined, { hash, revision }: Built): boolean {
  if (before?.revision === undefined) return before?.hash === hash
  return before.revision === revision
}

function isConsidered(before: TemplateStatus | undefined, { uid, generation }: TemplateStatus): boolean {
  return before?.uid === uid && before.generation === generation
}
