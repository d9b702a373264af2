import { pathToFileURL } from 'node:url'

/** Imports the bundle of a function and handles one event, as a new sandbox does. Writes its times as the last line. */
const [, , bundle = '', body = ''] = process.argv

const bareMs = performance.now()
const { handler } = await import(pathToFileURL(bundle).href)
const imported = performance.now()
const ofImport = process.cpuUsage()
const record = {
  messageId: '1',
  body,
  attributes: { ApproximateReceiveCount: '1', MessageGroupId: 'cold' },
}
const context = { awsRequestId: 'cold', getRemainingTimeInMillis: () => 60_000 }
await handler({ Records: [record] }, context)
const times = {
  bareMs,
  importMs: imported - bareMs,
  invocationMs: performance.now() - imported,
  importProcessorMs: millisecondsOf(ofImport),
  invocationProcessorMs: millisecondsOf(process.cpuUsage(ofImport)),
  memoryMb: process.resourceUsage().maxRSS / 1_024,
}
process.stdout.write(`${JSON.stringify(times)}\n`, () => process.exit())

/** Of all threads. */
function millisecondsOf({ user, system }: NodeJS.CpuUsage): number {
  return (user + system) / 1_000
}
