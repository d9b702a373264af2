import { parseClusterConfig } from '../../lib/config/connections.ts'
import type { Environment } from '../../lib/config/section.ts'
import { type KubernetesClient, openClient } from '../../lib/kubernetes/client/client.ts'
import { configuredConnection } from '../../lib/kubernetes/connection/configured-connection.ts'
import { version } from '../../lib/version.ts'

/** A client of the cluster that the environment names. @throws ConfigInvalid where it names none */
export function givenClient(env: Environment, functionName: string): KubernetesClient {
  const connection = configuredConnection(parseClusterConfig(env))
  return openClient({ connection, userAgent: `challenge-operator/${version} (${functionName})` })
}
