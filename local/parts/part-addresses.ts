import type { QueueUrls } from '../../lib/aws/queues.ts'
import type { SqsClientOptions } from '../../lib/aws/sqs-client.ts'
import type { KubernetesClient } from '../../lib/kubernetes/client/http.ts'

/** The addresses of the parts of one run. The operator on one machine differs from the one on AWS in nothing else. */
export interface PartAddresses {
  /** One client for each function, named in its User-Agent. */
  clientFor(functionName: string): KubernetesClient
  databaseUrl: string
  queues: QueueUrls
  sqs: SqsClientOptions
  /** Undefined: nothing is published. */
  bus: { name: string; clientOptions: SqsClientOptions } | undefined
}
