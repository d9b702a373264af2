import { reachBus } from '../../lib/aws/bus-check.ts'
import type { EventBusOptions } from '../../lib/aws/eventbridge.ts'
import { type ExaminedPart, isNetworkFailure, networkRemedy } from './examine.ts'

/** Examines whether EventBridge answers. Whether it lets the role in is a question of IAM. */
export function busPart(options: EventBusOptions): ExaminedPart {
  return {
    part: 'event bus',
    remedyOf: failure =>
      isNetworkFailure(failure)
        ? networkRemedy
        : 'deploy again, which makes the bus and names it to the functions',
    look: async (_request, signal) => {
      await reachBus(options, signal)
      return { fine: `EventBridge answers about ${options.busName}` }
    },
  }
}
