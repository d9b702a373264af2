import { readFile } from 'node:fs/promises'
import type { ClusterConfig } from '../../config/connections.ts'
import { OperatorError } from '../../errors.ts'
import type { ApiServerAddress } from './api-server-address.ts'
import { fileToken, type TokenSource, tokenCredentials, unusableConnection } from './credentials.ts'

/** The settings from which the address of one cluster is resolved. */
export type Connection =
  /** One file, or several that are merged as kubectl merges them (`/a:/b`). */
  | { kind: 'kubeconfig'; path: string }
  /** The service account of the pod that the process runs in. `host` is the API server, with its port if that is not 443. */
  | { kind: 'in-cluster'; host: string; folder?: string }
  /** A server with tokens that the caller makes (EKS). `ca` is PEM. Without it, Node's own authorities are trusted. */
  | { kind: 'server'; server: string; ca?: string; token: TokenSource }

const serviceAccountFolder = '/var/run/secrets/kubernetes.io/serviceaccount'

/**
 * Returns the connection that the configuration names.
 * @param eksToken makes tokens for an EKS cluster. The caller passes it, because this folder does not import AWS clients.
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

/** @throws OperatorError OperatorMisconfigured, naming the file or setting that is wrong */
export async function resolveConnection(connection: Connection): Promise<ApiServerAddress> {
  switch (connection.kind) {
    case 'kubeconfig': {
      const { kubeconfigAddress } = await import('./kubeconfig.ts')
      return kubeconfigAddress(connection.path)
    }
    case 'in-cluster':
      return inClusterAddress(connection.host, connection.folder ?? serviceAccountFolder)
    case 'server':
      return {
        server: connection.server.replace(/\/+$/, ''),
        tls: connection.ca === undefined ? {} : { ca: connection.ca },
        headers: {},
        credentials: tokenCredentials(connection.token),
      }
  }
}

async function inClusterAddress(host: string, folder: string): Promise<ApiServerAddress> {
  const ca = await readFile(`${folder}/ca.crt`, 'utf8').catch(thrown => {
    const why = 'no service account is mounted here; run in a pod with one, or set KUBECONFIG'
    throw unusableConnection(`${folder}/ca.crt cannot be read: ${why}`, thrown)
  })
  return {
    server: `https://${host}`,
    tls: { ca },
    headers: {},
    credentials: tokenCredentials(fileToken(`${folder}/token`, Date.now)),
  }
}
