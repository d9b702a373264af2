import type { QueueUrls } from '../../lib/aws/queues.ts'
import type { ReadSecret } from '../../lib/aws/secret-reader.ts'
import type { SqsClientOptions } from '../../lib/aws/sqs-client.ts'
import type { KubernetesClient } from '../../lib/kubernetes/client/http.ts'
import type { DatabaseAddress } from '../../lib/store/pools.ts'

/** The addresses of the parts of one run. The operator on one machine differs from the one on AWS in nothing else. */
export interface PartAddresses {
  /** One client for each function, named in its User-Agent. */
  clientFor(functionName: string): KubernetesClient
  databaseUrl: string | DatabaseAddress
  queues: QueueUrls
  sqs: SqsClientOptions
  /** Undefined: nothing is published. */
  bus: { name: string; clientOptions: SqsClientOptions } | undefined
  /** Reads the keys of flags if the configuration names them by ARN. Default: from AWS. */
  readSecret?: ReadSecret
}
