import { sections as publish } from '../../functions/publish/sections.ts'
import { sections as reconcile } from '../../functions/reconcile/sections.ts'
import { sections as sweep } from '../../functions/sweep/sections.ts'
import { sections as timer } from '../../functions/timer/sections.ts'
import { sections as watchForwarder } from '../../functions/watch-forwarder/sections.ts'
import type { DeployedFunction } from '../../lib/config/reference.ts'
import type { Section } from '../../lib/config/section.ts'

/** The parts of the configuration that each deployed function reads at its start. */
export const sectionsOf: Record<DeployedFunction, Record<string, Section<unknown>>> = {
  'watch-forwarder': watchForwarder,
  reconcile,
  timer,
  sweep,
  publish,
}
