import type { SqsClientOptions } from '../../lib/aws/sqs-client.ts'
import {
  type ClusterConfig,
  parseClusterConfig,
  parseDatabaseConfig,
  parseQueueConfig,
  type QueueConfig,
} from '../../lib/config/connections.ts'
import { ConfigInvalid, type Environment } from '../../lib/config/section.ts'

/** The parts that the user gave; what is undefined is embedded. */
export interface Given {
  cluster: ClusterConfig | undefined
  databaseUrl: string | undefined
  queues: QueueConfig | undefined
  /** An SQS endpoint without queue URLs: the queues are made there if they are missing. */
  sqsEndpoint: string | undefined
  bus: { name: string } | undefined
}

/** The SDK reads its endpoint itself, but then goes where a queue's URL says, which may be a name that nobody resolves. */
export function givenSqs({ sqsEndpoint }: Pick<Given, 'sqsEndpoint'>): SqsClientOptions {
  return sqsEndpoint === undefined ? {} : { endpoint: sqsEndpoint }
}

const clusterVariables = ['KUBECONFIG', 'KUBERNETES_SERVICE_HOST', 'EKS_CLUSTER_NAME']
const queueVariables = ['CHANGES_QUEUE_URL', 'TIMERS_QUEUE_URL', 'DEAD_LETTERS_QUEUE_URL']

/** @throws ConfigInvalid with the complaints of every part that is given in part or wrongly */
export function givenParts(env: Environment): Given {
  const complaints: string[] = []
  const read = <T>(names: string[], parse: (env: Environment) => T): T | undefined => {
    if (!names.some(name => env[name])) return undefined
    try {
      return parse(env)
    } catch (thrown) {
      if (!(thrown instanceof ConfigInvalid)) throw thrown
      complaints.push(...thrown.complaints)
      return undefined
    }
  }
  const given: Given = {
    cluster: read(clusterVariables, parseClusterConfig),
    databaseUrl: read(['DATABASE_URL'], parseDatabaseConfig)?.url,
    queues: read(queueVariables, parseQueueConfig),
    sqsEndpoint: env.AWS_ENDPOINT_URL_SQS || undefined,
    bus: env.EVENT_BUS_NAME ? { name: env.EVENT_BUS_NAME } : undefined,
  }
  if (complaints.length > 0) throw new ConfigInvalid(complaints)
  return given
}
