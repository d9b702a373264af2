import type { EventBusOptions } from './eventbridge.ts'
import { eventBridgeError } from './eventbridge-error.ts'

/**
 * An event that begins a window of the forwarder, by a rule of the bus (serverless.yml). The role of sweep may send events of
 * this source only.
 */
export const windowRequest = { source: 'challenge-operator.windows', type: 'forwarder.missing' } as const

/** Milliseconds. The SDK has no time limit of its own. */
const requestHandler = { connectionTimeout: 3_000, requestTimeout: 5_000, throwOnRequestTimeout: true }

/** @returns a function that begins a window. It throws `OperatorError` if the bus does not take the event */
export function openWindowRequests({ busName, clientOptions = {} }: EventBusOptions) {
  return async (abortSignal: AbortSignal): Promise<void> => {
    try {
      // Few sweeps ever need it.
      const sdk = await import('@aws-sdk/client-eventbridge')
      const client = new sdk.EventBridgeClient({ ...clientOptions, requestHandler })
      const { source: Source, type: DetailType } = windowRequest
      const entry = { EventBusName: busName, Source, DetailType, Detail: '{}' }
      const { Entries: [answer] = [] } = await client.send(new sdk.PutEventsCommand({ Entries: [entry] }), {
        abortSignal,
      })
      if (answer?.EventId === undefined) throw new Error(answer?.ErrorCode ?? 'no answer')
    } catch (thrown) {
      throw eventBridgeError(thrown, busName, abortSignal)
    }
  }
}
