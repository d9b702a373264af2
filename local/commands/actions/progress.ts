/** A person who waits wants a sign of life about every two seconds. */
const everyMs = 2_000

/** Returns a function that counts what has ended, and prints the count from time to time. It prints nothing if all is done soon. */
export function countProgress({
  total,
  print,
  now,
}: {
  total: number
  print: (line: string) => void
  now: () => number
}): (failed: boolean) => void {
  let ended = 0
  let failures = 0
  let printedAt = now()
  return failed => {
    ended += 1
    if (failed) failures += 1
    if (ended === total || now() - printedAt < everyMs) return
    printedAt = now()
    print(`${ended} of ${total} so far${failures === 0 ? '' : `, ${failures} failed`}`)
  }
}
