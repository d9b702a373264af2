import { type LocalEventBus, startEventBus } from '../../local/parts/event-bus.ts'

/** A test file's own EventBridge: cheap, and its events can be looked at. */
export async function startTestEventBus(): Promise<LocalEventBus> {
  return startEventBus()
}
