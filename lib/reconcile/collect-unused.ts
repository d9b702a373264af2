import { annotations, isManaged, labels } from '../crd/group.ts'
import type { Kind, StoredMeta } from '../crd/objects.ts'
import { isMarkedOfLate, unusedSince } from '../desired/unused.ts'
import type { Cluster } from '../kubernetes/cluster.ts'
import type { ChangeMessage } from '../messages.ts'
import type { Log } from '../telemetry/log.ts'
import { sameVersion, setAnnotation } from './json-patch.ts'

/** An object that instances share and that the sweep found unused, in the version that it read. */
export type UnusedObject = Pick<ChangeMessage, 'namespace' | 'name' | 'uid' | 'resourceVersion'> & {
  kind: CollectedKind
}

export type CollectedKind = keyof typeof collectedKinds

export type CollectUnused = (unused: UnusedObject, signal: AbortSignal) => Promise<void>

/** The kinds of messages about unused objects, with the objects that they name and the label that only those have. */
const collectedKinds = {
  Revision: { object: { apiVersion: 'v1', kind: 'Secret' }, label: labels.templateRevision },
  Certificate: { object: { apiVersion: 'v1', kind: 'Secret' }, label: labels.certificate },
  Policy: {
    object: { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy' },
    label: labels.policy,
  },
} as const satisfies Record<string, { object: Kind; label: string }>

/**
 * Creates the step that removes revisions of templates, copies of certificates, and policies, which no instance uses.
 *
 * Flow: the first time, the object is marked with the time. When the sweep finds it unused again, and the mark is older
 * than `unusedMs`, it is deleted. A pass that trusts its memory of the object may still use it in between; the sweep then
 * finds it in use. A pass that asks for the object finds the mark and takes it off.
 *
 * Guarantees: an object that is not of our making is not touched. One that was changed since the sweep read it is left
 * alone, and the next resync reads it again.
 * @param now epoch milliseconds
 */
export function createCollectUnused({
  cluster,
  now,
  log,
}: {
  cluster: Cluster
  now: () => number
  log: Log
}): CollectUnused {
  return async ({ kind, namespace, name, uid, resourceVersion }, signal) => {
    const { object, label } = collectedKinds[kind]
    const reference = { ...object, namespace, name }
    const found = await cluster.getMetadata(reference, signal)
    if (found?.metadata.uid !== uid || found.metadata.resourceVersion !== resourceVersion) return
    if (!isOurs(found.metadata, label) || isMarkedOfLate(found.metadata, now())) return
    if (unusedSince(found.metadata) !== undefined) {
      const deleted = await cluster.delete(reference, { uid, resourceVersion }, signal)
      log.info('unused object collected', { kind, namespace, name, deleted })
      return
    }
    const at = new Date(now()).toISOString()
    const mark = setAnnotation(found.metadata, annotations.unusedSince, at)
    await cluster.patchJson(reference, [sameVersion(found), mark], signal)
  }
}

function isOurs(metadata: StoredMeta, label: string): boolean {
  return isManaged(metadata) && metadata.labels?.[label] !== undefined
}
