import { setFlagsFromString } from 'node:v8'

/**
 * For a process that does nothing but forward: the objects of the first lists pass through the heap once and are dropped.
 * V8 takes that for the way it will go on, and keeps what it grew to. Resident over 10,000 settled instances: 280 MB as
 * it is, 159 MB with a young generation that does not grow, 137 MB with an old one that is collected after each 20 % more
 * (Node 24.21, bundled, one malloc arena; no difference in processor time that could be told from noise). Both flags are
 * read each time the heap grows, so they work in a process that runs already.
 */
export function keepHeapSmall(): void {
  setFlagsFromString('--semi-space-growth-factor=1')
  setFlagsFromString('--heap-growing-percent=20')
}
