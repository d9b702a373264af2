import { pathToFileURL } from 'node:url'

/**
 * Runs one window of the bundled watch-forwarder, as a new sandbox does.
 * Arguments: the bundle, and the milliseconds that the window has.
 */
const [, , bundle = '', remaining = ''] = process.argv

const { handler } = await import(pathToFileURL(bundle).href)
const until = performance.now() + Number(remaining)
const context = {
  awsRequestId: 'window',
  getRemainingTimeInMillis: () => Math.max(0, until - performance.now()),
}
await handler({ time: new Date().toISOString() }, context)
const { rss } = process.memoryUsage()
const { maxRSS } = process.resourceUsage()
const said = { rssMb: rss / 1024 ** 2, peakRssMb: maxRSS / 1024 }
process.stdout.write(`${JSON.stringify(said)}\n`, () => process.exit())
