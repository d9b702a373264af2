import { withoutGateway } from '../../observed/exposure.ts'
import type { InstanceDigest } from '../table/instance-digest.ts'
import type { Row } from '../table/row.ts'
import type { Wake } from './verdict.ts'

/** Milliseconds. The write of a child, and the status that records it, come from two watches. */
const echoMs = 500

/**
 * Finds an exposing object whose address or acceptance is another than the status has recorded. An object that no status
 * has recorded is told as a child.
 */
export function exposureUnreflected(
  row: Row,
  instance: InstanceDigest,
  gatewayIsMissing: boolean,
): Wake | undefined {
  if (instance.exposure === undefined) return undefined
  const seen = row.dependents.find(
    each =>
      each.exposure !== undefined &&
      instance.children.some(
        ({ kind, namespace, name }) =>
          kind === each.kind && name === each.name && namespace === each.namespace,
      ),
  )
  if (seen?.exposure === undefined) return undefined
  const state = gatewayIsMissing && instance.exposure.byRoute ? withoutGateway : seen.exposure
  if (state === instance.exposure.state) return undefined
  const { uid, resourceVersion } = instance
  const awaited = instance.exposure.awaitedFor !== undefined
  return {
    uid,
    cause: 'child',
    mismatch: { kind: 'exposure', state, awaited },
    readVersions: [seen.resourceVersion, resourceVersion],
    resourceVersion,
    delayMs: echoMs,
  }
}
