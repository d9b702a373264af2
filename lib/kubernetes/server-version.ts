import type { KubernetesClient } from './client/http.ts'

/** What the API server answers when it is asked for its version. */
export interface ServerVersion {
  status: number
  /** For example `v1.34.10`. Undefined: it does not say, or what answers is no API server. */
  gitVersion: string | undefined
}

/** Asks for the version of the cluster. @throws OperatorError if nothing answers */
export async function readServerVersion(
  client: KubernetesClient,
  signal: AbortSignal,
): Promise<ServerVersion> {
  const { status, body } = await client.request('GET', '/version', {}, signal)
  const { gitVersion } = (body ?? {}) as { gitVersion?: string }
  return { status, gitVersion }
}
