import { readFile } from 'node:fs/promises'
import { type CredentialSource, fileToken, tokenCredentials } from './credentials.ts'
import { unusableConnection } from './unusable-connection.ts'

/** A bearer token, from a cache or, if `fresh` is wanted because the last one was refused, a new one. */
export type TokenSource = (fresh: boolean, signal: AbortSignal) => Promise<string>

/** How to reach one cluster. `server` is for who makes tokens elsewhere (EKS). */
export type Connection =
  /** One file, or several as kubectl merges them (`/a:/b`). */
  | { kind: 'kubeconfig'; path: string }
  /** The service account of the pod we run in. `host`: where DNS does not know the default. */
  | { kind: 'in-cluster'; host?: string; folder?: string }
  /** `ca`: PEM; absent: the authorities Node trusts. */
  | { kind: 'server'; server: string; ca?: string; token: TokenSource }

/** A connection, looked up: all the files read that do not change. */
export interface Endpoint {
  /** Origin and, behind some proxies, a path; without a slash at its end. */
  server: string
  tls: TlsSettings
  /** http(s) proxy. */
  proxy?: string
  /** Sent with every request beside the credentials. */
  headers: Record<string, string>
  credentials: CredentialSource
}

export interface TlsSettings {
  ca?: string
  servername?: string
  rejectUnauthorized?: boolean
}

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
