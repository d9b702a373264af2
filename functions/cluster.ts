import { openEksTokens } from '../lib/aws/eks-token.ts'
import type { ClusterConfig } from '../lib/config/connections.ts'
import { type KubernetesClient, openClient } from '../lib/kubernetes/client/client.ts'
import { configuredConnection } from '../lib/kubernetes/connection/configured-connection.ts'
import { version } from '../lib/version.ts'

/** The configured cluster, for one function: its name tells it apart in the audit log. */
export function clientFor(functionName: string, cluster: ClusterConfig): KubernetesClient {
  const eksToken =
    cluster.kind === 'eks' ? openEksTokens({ clusterName: cluster.name, region: cluster.region }) : undefined
  return openClient({
    connection: configuredConnection(cluster, eksToken),
    userAgent: `challenge-operator/${version} (${functionName})`,
  })
}
