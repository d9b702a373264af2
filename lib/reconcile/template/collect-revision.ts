import { annotations, fieldManager, labels } from '../../crd/group.ts'
import { unusedMs } from '../../desired/template-revision.ts'
import type { Cluster } from '../../kubernetes/cluster.ts'
import type { ChangeMessage } from '../../messages.ts'
import type { Log } from '../../telemetry/log.ts'
import { sameVersion, setAnnotation } from '../json-patch.ts'

/** The Secret of a revision that the sweep found unused, in the version that it read. */
export type UnusedRevision = Pick<ChangeMessage, 'namespace' | 'name' | 'uid' | 'resourceVersion'>

export type CollectRevision = (unused: UnusedRevision, signal: AbortSignal) => Promise<void>

/**
 * Creates the step that removes revisions of templates which no instance uses.
 *
 * Flow: the first time, the Secret is marked with the time. When the sweep finds it unused again, and the mark is older
 * than `unusedMs`, it is deleted. A pass that has read the template just before it was edited may still take the revision
 * up in between; the sweep then finds it in use.
 *
 * Guarantees: a Secret that is no revision is not touched. One that was changed since the sweep read it is left alone,
 * and the next resync reads it again.
 * @param now epoch milliseconds
 */
export function createCollectRevision({
  cluster,
  now,
  log,
}: {
  cluster: Cluster
  now: () => number
  log: Log
}): CollectRevision {
  return async ({ namespace, name, uid, resourceVersion }, signal) => {
    const reference = { apiVersion: 'v1', kind: 'Secret', namespace, name }
    const found = await cluster.getMetadata(reference, signal)
    if (found?.metadata.uid !== uid || found.metadata.resourceVersion !== resourceVersion) return
    const own = found.metadata.labels ?? {}
    if (own[labels.managedBy] !== fieldManager || own[labels.templateRevision] === undefined) return
    const since = found.metadata.annotations?.[annotations.unusedSince]
    if (since !== undefined && now() - Date.parse(since) < unusedMs) return
    if (since !== undefined) {
      const deleted = await cluster.delete(reference, { uid, resourceVersion }, signal)
      log.info('unused revision of a template collected', { namespace, name, deleted })
      return
    }
    const at = new Date(now()).toISOString()
    const mark = setAnnotation(found.metadata, annotations.unusedSince, at)
    await cluster.patchJson(reference, [sameVersion(found), mark], signal)
  }
}
