import { type ChallengeInstance, hashOfNoTemplate } from '../../crd/challenge-instance.ts'
import type { ChallengeTemplate, KnownTemplate } from '../../crd/challenge-template.ts'
import type { Secret, Stored } from '../../crd/objects.ts'
import { flagSource } from '../../desired/flag/flag.ts'
import { isProblem } from '../../desired/problem.ts'
import { revisionName } from '../../desired/template-revision.ts'
import { checkEnvironment } from '../../environment.ts'
import type { Cluster } from '../../kubernetes/cluster.ts'
import { type Causes, onlyReleases, releasesTemplate } from '../pass/causes.ts'
import type { TemplateSource } from '../pass/observation.ts'
import type { Pass } from '../pass/outcome.ts'
import type { ExposureReading, ReadExposureGround } from './exposure-ground.ts'
import type { Revisions } from './revisions.ts'
import { isTemplateInUse } from './template-in-use.ts'

export interface SourceDependencies {
  cluster: Cluster
  revisions: Revisions
  exposureGround: ReadExposureGround
}

interface Finding {
  instance: Stored<ChallengeInstance>
  /** The template that exists; undefined: there is none of this name. */
  existing: Stored<ChallengeTemplate> | undefined
  pass: Causes & Pick<Pass, 'waits' | 'at'>
  /** Whether the pod stays if the instance is built from this template, which it took up. */
  keepsPod: (inUse: TemplateSource) => boolean
}

/**
 * Returns the templates that a pass may build the instance from, the preferred one first. If the first one has a problem,
 * the instance stays on the second one.
 *
 * An instance keeps the template that it took up, whole, and every pass builds from that one. It takes up the template
 * that exists at its first pass, after its change was released (cause `template`), and when an edit of its own spec makes a
 * new pod anyway; with `updateStrategy: Keep` at its first pass only. A renewal, a suspension and a wake make none: they would
 * release a roll-out that is held. The template that it took up is read from its revision only if
 * another one exists now.
 */
export async function templateSources(
  sources: SourceDependencies,
  finding: Finding,
  signal: AbortSignal,
): Promise<TemplateSource[]> {
  const { instance, existing } = finding
  const used = instance.status?.template
  const { revisions } = sources
  let hostAsked = false
  const source = async (template: KnownTemplate, revision: string) => {
    const question = { instance, template, pass: finding.pass, mayAsk: !hostAsked }
    const exposure = await sources.exposureGround(question, signal)
    hostAsked ||= exposure.asked
    const exists = template === existing
    return sourceOf(sources.cluster, { instance, template, revision, exists, exposure }, signal)
  }
  const fromExisting = async () => (existing ? [await source(existing, revisionName(existing))] : [])

  if (used === undefined || used.hash === hashOfNoTemplate) return fromExisting()
  if (existing && isTemplateInUse(existing, used))
    return [await source(existing, used.revision ?? revisionName(existing))]
  const { namespace } = instance.metadata
  const { revision } = used
  const kept =
    revision === undefined ? undefined : await revisions.read({ namespace, name: revision }, signal)
  if (revision === undefined || kept === undefined)
    return takesUpWithoutRevision(finding) ? fromExisting() : []
  if (takesUp(finding)) return [...(await fromExisting()), await source(kept, revision)]
  const inUse = await source(kept, revision)
  if (!isEdited(finding) || finding.keepsPod(inUse)) return [inUse]
  hostAsked = false
  return [...(await fromExisting()), inUse]
}

/** Whether the pass may take up the template that exists. One that was refused is tried again by every pass. */
function takesUp({ instance, existing, pass }: Finding): boolean {
  if (existing === undefined || existing.spec.updateStrategy === 'Keep') return false
  const { template } = instance.status ?? {}
  const { uid, generation = 0 } = existing.metadata
  const refused = template?.uid === uid && template.generation === generation
  return releasesTemplate(pass) || refused
}

/** Whether an edit of the spec may make the instance take up the template that exists. */
function isEdited({ instance: { status, metadata }, existing }: Finding): boolean {
  if (existing === undefined || existing.spec.updateStrategy === 'Keep') return false
  return status?.observedGeneration !== metadata.generation
}

/**
 * An instance whose revision is gone, or that is of an earlier release and waits for its turn, can be built from the
 * template that exists and from nothing else. It waits for its turn, too. With `Keep` no turn comes, so every pass builds
 * from that template, except for a released change that is no more than considered.
 */
function takesUpWithoutRevision(finding: Finding): boolean {
  const { existing, pass } = finding
  return existing?.spec.updateStrategy === 'Keep'
    ? !onlyReleases(pass)
    : takesUp(finding) || isEdited(finding)
}

async function sourceOf(
  cluster: Cluster,
  {
    instance,
    exposure,
    ...source
  }: { instance: ChallengeInstance; exposure: ExposureReading } & Pick<
    TemplateSource,
    'template' | 'revision' | 'exists'
  >,
  signal: AbortSignal,
): Promise<TemplateSource> {
  const flagSecret = await readFlagSecret(cluster, source.template, signal)
  const environment = await checkEnvironment(instance, source.template)
  return { ...source, flagSecret, environment, exposure: exposure.ground, wakes: exposure.wakes }
}

async function readFlagSecret(
  cluster: Cluster,
  template: KnownTemplate,
  signal: AbortSignal,
): Promise<Stored<Secret> | undefined> {
  const source = flagSource(template)
  if (isProblem(source) || source.kind !== 'secretRef') return undefined
  const { namespace } = template.metadata
  const { name } = source.secret
  return cluster.get<Secret>({ apiVersion: 'v1', kind: 'Secret', namespace, name }, signal)
}
