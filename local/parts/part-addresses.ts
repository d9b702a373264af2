import type { SqsClientOptions } from '../../lib/aws/sqs-client.ts'
import type { KubernetesClient } from '../../lib/kubernetes/client/http.ts'

/** Where the parts of one run answer, given or embedded: all that differs between one machine and AWS. */
export interface PartAddresses {
  /** One client for each function, named in its User-Agent. */
  clientFor(functionName: string): KubernetesClient
  databaseUrl: string
  queues: { changesUrl: string; timersUrl: string; deadLettersUrl: string }
  sqs: SqsClientOptions
  bus: { name: string; clientOptions: SqsClientOptions }
}
