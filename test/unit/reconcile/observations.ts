import { openClock } from '../../../lib/clock/state.ts'
import type { KnownTemplate } from '../../../lib/crd/challenge-template.ts'
import { noGround } from '../../../lib/desired/exposure/exposure.ts'
import { revisionName } from '../../../lib/desired/template-revision.ts'
import type { Observed, TemplateSource } from '../../../lib/reconcile/pass/observation.ts'
import { storedInstance, storedTemplate } from '../../support/objects.ts'

export type Observation = Partial<Observed> & { source?: Partial<TemplateSource> }

/** What a pass sees of an instance that is built from the template that exists, unless `sources` says otherwise. */
export function observation({ source, ...parts }: Observation = {}): Observed {
  const { template = { kind: 'read', template: storedTemplate() } } = parts
  return {
    instance: storedInstance(),
    clock: openClock,
    template,
    held: undefined,
    sources: template.kind === 'read' ? [sourceOf(template.template, source)] : [],
    keptFlag: undefined,
    deployment: undefined,
    activity: undefined,
    pods: [],
    verified: new Map(),
    ...parts,
  }
}

export function sourceOf(template: KnownTemplate, parts: Partial<TemplateSource> = {}): TemplateSource {
  const revision = revisionName(template)
  const environment = { env: {} }
  return {
    template,
    revision,
    exists: true,
    flagSecret: undefined,
    environment,
    exposure: noGround,
    wakes: [],
    ...parts,
  }
}
