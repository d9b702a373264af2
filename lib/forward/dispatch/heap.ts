import { setFlagsFromString } from 'node:v8'

/**
 * Keeps the heap of V8 small, for a process that only forwards. The objects of the first lists pass through the heap once
 * and are dropped. V8 expects the same load later, and keeps the size that it has grown to.
 *
 * Resident memory over 10,000 settled instances: 280 MB by default, 159 MB with a young generation that does not grow,
 * 137 MB with an old generation that is also collected after each growth by 20 % (Node 24.21, bundled, one malloc arena;
 * the difference in processor time was within noise). V8 reads both flags each time the heap grows, so they work in a
 * process that is already running.
 */
export function keepHeapSmall(): void {
  setFlagsFromString('--semi-space-growth-factor=1')
  setFlagsFromString('--heap-growing-percent=20')
}
