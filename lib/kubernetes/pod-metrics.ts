import { JSONParser } from '@streamparser/json'
import { labels, managedBySelector } from '../crd/group.ts'
import { OperatorError } from '../errors.ts'
import type { KubernetesClient } from './client/http.ts'
import { json } from './client/media-types.ts'

/** The processor time of pods, as metrics.k8s.io reports it. */
export interface PodMetrics {
  /**
   * Returns thousandths of a core by uid of the instance, the sum over its pods.
   * @param namespace undefined: the whole cluster
   * @throws OperatorError if nothing serves metrics.k8s.io, or if the answer breaks off
   */
  millicores(namespace: string | undefined, signal: AbortSignal): Promise<Map<string, number>>
}

interface PodUsage {
  metadata?: { labels?: Record<string, string> }
  containers?: { usage?: { cpu?: string } }[]
}

/** Cores for each suffix of a quantity as metrics-server writes it. */
const millicoresOf: Record<string, number> = { n: 1e-6, u: 1e-3, m: 1, '': 1_000 }

/**
 * metrics.k8s.io knows no pages. The answer is read as a stream, and of each pod nothing but its sum is kept, so that the
 * memory does not grow with the length of the answer.
 */
export function openPodMetrics(client: KubernetesClient): PodMetrics {
  return {
    async millicores(namespace, signal) {
      const scope = namespace === undefined ? '' : `/namespaces/${encodeURIComponent(namespace)}`
      const path = `/apis/metrics.k8s.io/v1beta1${scope}/pods`
      const query = { labelSelector: managedBySelector }
      const { status, body } = await client.stream(path, { query, accept: json }, signal)
      const found = new Map<string, number>()
      const parser = new JSONParser({ paths: ['$.items.*'], keepStack: false })
      let failure: unknown
      parser.onError = thrown => {
        failure ??= thrown
      }
      parser.onValue = ({ value }) => {
        const usage = value as PodUsage | null
        const uid = usage?.metadata?.labels?.[labels.instanceUid]
        if (uid !== undefined) found.set(uid, (found.get(uid) ?? 0) + sumOf(usage as PodUsage))
      }
      // A refusal is read to its end too, so that the connection can be kept.
      for await (const chunk of body) if (status === 200 && failure === undefined) parser.write(chunk)
      if (status !== 200 || failure !== undefined || !parser.isEnded)
        throw new OperatorError('ClusterUnavailable', `${path} answers ${status}, and no list of pods`)
      return found
    },
  }
}

function sumOf({ containers = [] }: PodUsage): number {
  return containers.reduce((sum, { usage }) => sum + millicores(usage?.cpu ?? '0'), 0)
}

/** A quantity that cannot be read counts as none. */
function millicores(quantity: string): number {
  const [, digits = '0', suffix = ''] = /^([0-9]+(?:\.[0-9]+)?)([num]?)$/.exec(quantity) ?? []
  return Number(digits) * (millicoresOf[suffix] ?? 0)
}
