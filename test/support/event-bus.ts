import { type LocalEventBus, startEventBus } from '../../local/parts/event-bus.ts'

/** Starts an event bus of the test file's own, whose events the test can read. */
export async function startTestEventBus(): Promise<LocalEventBus> {
  return startEventBus()
}
