import type { ClusterConfig } from '../../config/connections.ts'
import { OperatorError } from '../../errors.ts'
import type { Connection } from './connection.ts'
import type { TokenSource } from './credentials.ts'

/**
 * The connection that the configuration names.
 * @param eksToken makes tokens for an EKS cluster; the room of AWS is not this one's to know
 */
export function configuredConnection(cluster: ClusterConfig, eksToken?: TokenSource): Connection {
  if (cluster.kind !== 'eks') return cluster
  if (eksToken === undefined)
    throw new OperatorError(
      'ClusterUnavailable',
      'EKS_CLUSTER_NAME is set, but nothing here makes EKS tokens; set KUBECONFIG instead (aws eks update-kubeconfig).',
      { fate: 'permanent' },
    )
  const ca = Buffer.from(cluster.ca, 'base64').toString()
  return { kind: 'server', server: cluster.endpoint, ca, token: eksToken }
}
