import type { KubernetesObject } from '../../lib/crd/objects.ts'
import type { KubernetesClient } from '../../lib/kubernetes/client/http.ts'
import type { WatchTarget } from '../../lib/kubernetes/cluster.ts'
import { watch } from '../../lib/kubernetes/watch/watch.ts'
import { silentLog } from '../../lib/telemetry/log.ts'

/** Starts a watch that goes on until the signal. Resolves when everything has been listed. */
export function watchUntilListed<T extends KubernetesObject>(
  client: KubernetesClient,
  target: WatchTarget,
  { onObject, onGone = () => {} }: { onObject: (object: T) => void; onGone?: (name: string) => void },
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const handlers = {
      onObject,
      onGone: (gone: { metadata: { name?: string } }) => onGone(gone.metadata.name ?? ''),
      onListed: () => resolve(),
    }
    watch<T>(client, target, handlers, { log: silentLog }, signal).catch(reject)
  })
}
