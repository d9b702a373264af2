import { databaseAddress } from '../../functions/database.ts'
import type { SecretAccess } from '../../functions/secrets.ts'
import { openSecretReader } from '../../lib/aws/secret-reader.ts'
import type { SqsClientOptions } from '../../lib/aws/sqs-client.ts'
import {
  type ClusterConfig,
  databaseSection,
  parseClusterConfig,
  parseQueueConfig,
  type QueueConfig,
  type SweepsConfig,
} from '../../lib/config/connections.ts'
import { type OperatorConfig, parseOperatorConfig } from '../../lib/config/operator.ts'
import { secretsSection } from '../../lib/config/secrets.ts'
import { type Environment, OperatorMisconfigured, readConfig } from '../../lib/config/section.ts'
import { openClient } from '../../lib/kubernetes/client/client.ts'
import type { KubernetesClient } from '../../lib/kubernetes/client/http.ts'
import { userAgentOf } from '../../lib/kubernetes/client/user-agent.ts'
import { configuredConnection } from '../../lib/kubernetes/connection/connection.ts'
import type { DatabaseAddress } from '../../lib/store/pools.ts'
import { silentLog } from '../../lib/telemetry/log.ts'

/** The parts that the environment names. An undefined part is not named there, so `npm start` starts one. */
export interface ExternalParts {
  cluster: ClusterConfig | undefined
  databaseUrl: string | DatabaseAddress | undefined
  queues: (QueueConfig & SweepsConfig) | undefined
  /** An SQS endpoint without queue URLs: the queues are created there if they are missing. */
  sqsEndpoint: string | undefined
  bus: { name: string } | undefined
}

const clusterVariables = ['KUBECONFIG', 'KUBERNETES_SERVICE_HOST', 'EKS_CLUSTER_NAME']
const databaseVariables = ['DATABASE_URL', 'DATABASE_URL_SECRET_ARN']
const queueVariables = ['CHANGES_QUEUE_URL', 'TIMERS_QUEUE_URL', 'SWEEPS_QUEUE_URL', 'DEAD_LETTERS_QUEUE_URL']

/** @throws OperatorMisconfigured with the problems of every part that is named incompletely or wrongly */
export function externalParts(env: Environment): ExternalParts {
  const problems: string[] = []
  const read = <T>(names: string[], parse: (env: Environment) => T): T | undefined => {
    if (!names.some(name => env[name])) return undefined
    try {
      return parse(env)
    } catch (thrown) {
      if (!(thrown instanceof OperatorMisconfigured)) throw thrown
      problems.push(...thrown.problems)
      return undefined
    }
  }
  const parts: ExternalParts = {
    cluster: read(clusterVariables, parseClusterConfig),
    databaseUrl: read(databaseVariables, externalDatabase),
    queues: read(queueVariables, parseQueueConfig),
    sqsEndpoint: env.AWS_ENDPOINT_URL_SQS || undefined,
    bus: env.EVENT_BUS_NAME ? { name: env.EVENT_BUS_NAME } : undefined,
  }
  if (problems.length > 0) throw new OperatorMisconfigured(problems)
  return parts
}

/** Reads the operator's own variables and those of the parts. @throws OperatorMisconfigured with the problems of both */
export function readOperatorAndParts(env: Environment): { config: OperatorConfig; parts: ExternalParts } {
  const problems: string[] = []
  const attempt = <T>(read: () => T): T | undefined => {
    try {
      return read()
    } catch (thrown) {
      if (!(thrown instanceof OperatorMisconfigured)) throw thrown
      problems.push(...thrown.problems)
      return undefined
    }
  }
  const config = attempt(() => parseOperatorConfig(env))
  const parts = attempt(() => externalParts(env))
  if (config === undefined || parts === undefined) throw new OperatorMisconfigured(problems)
  return { config, parts }
}

/** Returns the address of the database that the environment names. A secret is read at the first connection. */
export function externalDatabase(env: Environment): string | DatabaseAddress {
  const { database } = readConfig(env, { database: databaseSection })
  return databaseAddress(database, externalSecrets(env))
}

/** What secrets that the environment names are read with. A command prints its failures itself. */
export function externalSecrets(env: Environment): SecretAccess {
  const { secrets } = readConfig(env, { secrets: secretsSection })
  return { read: openSecretReader(secrets), log: silentLog }
}

/** Opens a client of the cluster that the environment names. @throws OperatorMisconfigured if it names none */
export function openExternalClient(env: Environment, functionName: string): KubernetesClient {
  const connection = configuredConnection(parseClusterConfig(env))
  return openClient({ connection, userAgent: userAgentOf(functionName) })
}

/**
 * The options of a client for the external queues. The SDK reads `AWS_ENDPOINT_URL_SQS` too, but then sends to the
 * host of the queue's URL, which need not resolve on this machine. An explicit endpoint wins over that host.
 */
export function externalSqsOptions({ sqsEndpoint }: Pick<ExternalParts, 'sqsEndpoint'>): SqsClientOptions {
  return sqsEndpoint === undefined ? {} : { endpoint: sqsEndpoint }
}
