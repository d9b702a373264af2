import type { SQSClient, SQSClientConfig } from '@aws-sdk/client-sqs'
import { sqsError } from './sqs-error.ts'

export type SqsClientOptions = Pick<SQSClientConfig, 'region' | 'endpoint' | 'credentials' | 'maxAttempts'>

type Sdk = typeof import('@aws-sdk/client-sqs')

/** An SDK client that is loaded at its first call. Every error of it is an `OperatorError` that names the queue. */
export interface LazySqsClient {
  call<T>(
    queueUrl: string,
    signal: AbortSignal,
    run: (client: SQSClient, sdk: Sdk, options: { abortSignal: AbortSignal }) => Promise<T>,
  ): Promise<T>
  region(signal: AbortSignal): Promise<string>
  close(): void
}

/** The SDK has no time limit of its own. A send takes some milliseconds, and a long poll at most 20 s. */
const connectMs = 3_000
const requestMs = 30_000

export function openSqsClient(options: SqsClientOptions = {}): LazySqsClient {
  let opened: Promise<{ client: SQSClient; sdk: Sdk }> | undefined
  const open = async () => {
    const sdk = await import('@aws-sdk/client-sqs')
    const requestHandler = {
      connectionTimeout: connectMs,
      requestTimeout: requestMs,
      throwOnRequestTimeout: true,
    }
    return { sdk, client: new sdk.SQSClient({ ...options, requestHandler }) }
  }
  const ready = () => {
    opened ??= open()
    return opened
  }
  const call: LazySqsClient['call'] = async (queueUrl, signal, run) => {
    try {
      const { client, sdk } = await ready()
      return await run(client, sdk, { abortSignal: signal })
    } catch (thrown) {
      throw sqsError(thrown, queueUrl, signal)
    }
  }
  return {
    call,
    region: signal => call('', signal, client => client.config.region()),
    close: () => {
      void opened?.then(
        ({ client }) => client.destroy(),
        () => {},
      )
    },
  }
}
