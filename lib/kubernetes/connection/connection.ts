import { readFile } from 'node:fs/promises'
import { fileToken, type TokenSource, tokenCredentials } from './credentials.ts'
import type { Endpoint } from './endpoint.ts'
import { unusableConnection } from './unusable-connection.ts'

/** How to reach one cluster. `server` is for who makes tokens elsewhere (EKS). */
export type Connection =
  /** One file, or several as kubectl merges them (`/a:/b`). */
  | { kind: 'kubeconfig'; path: string }
  /** The service account of the pod we run in. `host`: where DNS does not know the default. */
  | { kind: 'in-cluster'; host?: string; folder?: string }
  /** `ca`: PEM; absent: the authorities Node trusts. */
  | { kind: 'server'; server: string; ca?: string; token: TokenSource }

/** The API server's certificate names it so, in every cluster. */
const inClusterHost = 'kubernetes.default.svc'
const serviceAccountFolder = '/var/run/secrets/kubernetes.io/serviceaccount'

/** @throws OperatorError ConfigInvalid, naming the file or setting that is wrong */
export async function resolveConnection(connection: Connection): Promise<Endpoint> {
  switch (connection.kind) {
    case 'kubeconfig': {
      const { endpointOf } = await import('./kubeconfig.ts')
      return endpointOf(connection.path)
    }
    case 'in-cluster':
      return inCluster(connection.host ?? inClusterHost, connection.folder ?? serviceAccountFolder)
    case 'server':
      return {
        server: connection.server.replace(/\/+$/, ''),
        tls: connection.ca === undefined ? {} : { ca: connection.ca },
        headers: {},
        credentials: tokenCredentials(connection.token),
      }
  }
}

async function inCluster(host: string, folder: string): Promise<Endpoint> {
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
