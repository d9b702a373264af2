import type { Check } from '../../../lib/doctor/check.ts'
import type { KubernetesClient } from '../../../lib/kubernetes/client/http.ts'
import { readServerVersion } from '../../../lib/kubernetes/server-version.ts'
import { judgeVersion, type VersionVerdict } from '../../../lib/kubernetes/supported-versions.ts'
import { reachCluster } from './check.ts'

/** Whether the version of the cluster is supported. An unsupported one may well work, so a person decides. */
export function versionCheck(client: KubernetesClient): Check {
  return {
    name: 'cluster version',
    needs: 'cluster',
    remedy: reachCluster,
    async look(signal) {
      const { supported, sentence } = await readVersion(client, signal)
      return supported ? { fine: sentence } : { note: sentence }
    },
  }
}

/** Asks the cluster for its version and judges it. A cluster that does not tell it is judged so. */
export async function readVersion(client: KubernetesClient, signal: AbortSignal): Promise<VersionVerdict> {
  const { gitVersion } = await readServerVersion(client, signal)
  return judgeVersion(gitVersion)
}
