import { isRightRefused } from './aws-error.ts'
import type { EventBusOptions } from './eventbridge.ts'
import { eventBridgeError } from './eventbridge-error.ts'

const requestHandler = { connectionTimeout: 3_000, requestTimeout: 10_000, throwOnRequestTimeout: true }

/**
 * Asks EventBridge about a bus. A role that may only send to it is refused: what is shown is that EventBridge can be reached
 * and knows the role.
 * @throws OperatorError if EventBridge does not answer, has no such bus, or does not accept the credentials
 */
export async function reachBus(
  { busName, clientOptions = {} }: EventBusOptions,
  signal: AbortSignal,
): Promise<void> {
  const sdk = await import('@aws-sdk/client-eventbridge')
  const client = new sdk.EventBridgeClient({ ...clientOptions, requestHandler })
  try {
    await client.send(new sdk.DescribeEventBusCommand({ Name: busName }), { abortSignal: signal })
  } catch (thrown) {
    const error = eventBridgeError(thrown, busName, signal)
    if (!isRightRefused(error)) throw error
  } finally {
    client.destroy()
  }
}
