import { createInterface } from 'node:readline'
import { pathToFileURL } from 'node:url'

/**
 * A sandbox of a bundled function: imports the bundle, then handles each line of the input as an event. It writes a line with
 * the times of each.
 */
const [, , bundle = ''] = process.argv

const { handler } = await import(pathToFileURL(bundle).href)
const context = { awsRequestId: 'bench', getRemainingTimeInMillis: () => 120_000 }
for await (const line of createInterface(process.stdin)) {
  const startedAt = performance.now()
  const before = process.cpuUsage()
  let failure: string | undefined
  try {
    await handler(JSON.parse(line), context)
  } catch (thrown) {
    failure = String(thrown)
  }
  const { user, system } = process.cpuUsage(before)
  const handled = {
    milliseconds: performance.now() - startedAt,
    processorMs: (user + system) / 1_000,
    memoryMb: process.resourceUsage().maxRSS / 1_024,
    failure,
  }
  process.stdout.write(`${JSON.stringify({ handled })}\n`)
}
process.exit()
