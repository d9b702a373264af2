import type { SQSClient, SQSClientConfig } from '@aws-sdk/client-sqs'
import { sqsError } from './sqs-error.ts'

export type SqsClientOptions = Pick<SQSClientConfig, 'region' | 'endpoint' | 'credentials' | 'maxAttempts'>

/** Limits in milliseconds. The SDK has none of its own. */
export interface SqsLimits {
  /** One request on one connection. The SDK repeats a request that failed. */
  requestMs: number
  /** One call with its repetitions. */
  callMs: number
}

type Sdk = typeof import('@aws-sdk/client-sqs')

/** An SDK client that is loaded at its first call. Every error of it is an `OperatorError` that names the queue. */
export interface LazySqsClient {
  call<T>(
    queueUrl: string,
    signal: AbortSignal,
    run: (client: SQSClient, sdk: Sdk, options: { abortSignal: AbortSignal }) => Promise<T>,
  ): Promise<T>
  region(signal: AbortSignal): Promise<string>
  /** Loads the SDK and finds region and credentials, so that the first call has less to do. */
  prepare(signal: AbortSignal): Promise<void>
  close(): void
}

const connectMs = 3_000
/** A send takes some milliseconds. On a connection that has gone silent, the second request goes over a new one. */
const sendLimits: SqsLimits = { requestMs: 4_000, callMs: 10_000 }

export function openSqsClient(
  options: SqsClientOptions = {},
  { requestMs, callMs }: SqsLimits = sendLimits,
): LazySqsClient {
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
    const limit = AbortSignal.timeout(callMs)
    try {
      const { client, sdk } = await ready()
      return await run(client, sdk, { abortSignal: AbortSignal.any([signal, limit]) })
    } catch (thrown) {
      throw sqsError(limit.aborted ? limit.reason : thrown, queueUrl, signal)
    }
  }
  return {
    call,
    region: signal => call('', signal, client => client.config.region()),
    prepare: signal =>
      call('', signal, async client => {
        await client.config.region()
        await client.config.credentials()
      }),
    close: () => {
      void opened?.then(
        ({ client }) => client.destroy(),
        () => {},
      )
    },
  }
}
