import { type Environment, parseClusterConfig } from '../lib/config.ts'
import { type KubernetesClient, openClient } from '../lib/kubernetes/client.ts'
import { connectionOf } from './parts.ts'
import { version } from './version.ts'

/** A client of the cluster that the environment names. @throws ConfigInvalid where it names none */
export function givenClient(env: Environment, functionName: string): KubernetesClient {
  const connection = connectionOf(parseClusterConfig(env))
  return openClient({ connection, userAgent: `challenge-operator/${version} (${functionName})` })
}
