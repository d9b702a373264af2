import { openEksTokens } from '../lib/aws/eks-token.ts'
import type { ClusterConfig } from '../lib/config/connections.ts'
import { openClient } from '../lib/kubernetes/client/client.ts'
import type { KubernetesClient } from '../lib/kubernetes/client/http.ts'
import { userAgentOf } from '../lib/kubernetes/client/user-agent.ts'
import { configuredConnection } from '../lib/kubernetes/connection/connection.ts'

/** Opens a client of the configured cluster for one function. */
export function clientFor(functionName: string, cluster: ClusterConfig): KubernetesClient {
  const eksToken =
    cluster.kind === 'eks' ? openEksTokens({ clusterName: cluster.name, region: cluster.region }) : undefined
  return openClient({
    connection: configuredConnection(cluster, eksToken),
    userAgent: userAgentOf(functionName),
  })
}
