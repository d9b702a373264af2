import { execFile } from 'node:child_process'
import { resolve } from 'node:path'
import { promisify } from 'node:util'
import { build } from 'esbuild'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { deployedFunctions } from '../../../lib/config/reference.ts'
import { newTraceparent, parseTraceparent } from '../../../lib/telemetry/traceparent.ts'
import { openTracer } from '../../../lib/telemetry/tracer.ts'
import { startOtlpReceiver } from '../../support/otlp-receiver.ts'

const root = resolve(import.meta.dirname, '../../..')
let receiver: Awaited<ReturnType<typeof startOtlpReceiver>>
beforeAll(async () => {
  receiver = await startOtlpReceiver()
})
afterAll(() => receiver.stop())

describe('openTracer', () => {
  it('sends spans under the identity that a message carried, below their parent, by OTLP over HTTP', async () => {
    const tracer = openTracer('reconcile', { endpoint: receiver.endpoint, headers: { 'x-key': 'k' } })
    const parent = parseTraceparent(newTraceparent())
    const identity = { traceId: String(parent?.traceId), spanId: '00000000000000aa' }
    const times = { startedAt: 1_767_225_600_000, endedAt: 1_767_225_600_040.5 }
    const attributes = { 'challenge_operator.outcome': 'settled', 'challenge_operator.reason': undefined }
    tracer?.record({ name: 'reconcile pass', kind: 'consumer', identity, parent, ...times, attributes })
    tracer?.record({
      name: 'GET pods',
      kind: 'client',
      parent: identity,
      ...times,
      attributes: {},
      failure: 'HTTP 500',
    })
    await tracer?.flush()
    expect(receiver.requests).toMatchObject([
      { path: '/v1/traces', headers: { 'x-key': 'k', 'content-type': 'application/json' } },
    ])
    expect(receiver.spans).toEqual([
      {
        service: 'challenge-operator-reconcile',
        name: 'reconcile pass',
        ...identity,
        parentSpanId: parent?.spanId,
        kind: 5,
        ...times,
        attributes: { 'challenge_operator.outcome': 'settled' },
        status: 0,
        droppedAttributesCount: 0,
        droppedEventsCount: 0,
        droppedLinksCount: 0,
        events: [],
        links: [],
        flags: 0x301,
      },
      expect.objectContaining({
        name: 'GET pods',
        traceId: parent?.traceId,
        parentSpanId: identity.spanId,
        status: 2,
      }),
    ])
  })

  it('holds up nobody and fails for nobody when the receiver is away', async () => {
    const tracer = openTracer('reconcile', { endpoint: 'http://127.0.0.1:1', headers: {} })
    tracer?.record({ name: 'a', kind: 'internal', startedAt: 0, endedAt: 1, attributes: {} })
    await expect(tracer?.flush()).resolves.toBeUndefined()
  })

  it('opens nothing without a receiver', () => {
    expect(openTracer('reconcile', { endpoint: undefined, headers: {} })).toBeUndefined()
  })
})

describe('OpenTelemetry', () => {
  it.each(deployedFunctions)('is loaded by nothing that %s loads at its start', async name => {
    const loaded = await loadedAtStart(`functions/${name}/index.ts`)
    // The timer carries traces on and has no span of its own.
    expect(loaded.includes('lib/telemetry/tracer.ts')).toBe(name !== 'timer')
    expect(loaded.filter(path => /@opentelemetry|prom-client|otlp-spans/.test(path))).toEqual([])
  })

  it('is loaded with the first span, and not before', async () => {
    const source = `
      import { registerHooks } from 'node:module'
      const loaded = []
      registerHooks({ load: (url, context, next) => (loaded.push(url), next(url, context)) })
      const { openTracer } = await import(${JSON.stringify(resolve(root, 'lib/telemetry/tracer.ts'))})
      const count = () => loaded.filter(url => url.includes('@opentelemetry')).length
      const tracer = openTracer('reconcile', { endpoint: ${JSON.stringify(receiver.endpoint)}, headers: {} })
      const before = count()
      tracer.record({ name: 'a', kind: 'internal', startedAt: 0, endedAt: 1, attributes: {} })
      await tracer.flush()
      console.log(JSON.stringify({ before, after: count() > 0 }))`
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', source])
    expect(JSON.parse(stdout)).toEqual({ before: 0, after: true })
  })
})

/** The modules that static imports lead to. esbuild tells them from those that are imported on demand. */
async function loadedAtStart(entry: string): Promise<string[]> {
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: [entry],
    bundle: true,
    platform: 'node',
    format: 'esm',
    external: ['pg-native', 'pg-cloudflare'],
    write: false,
    metafile: true,
    logLevel: 'silent',
  })
  const seen = new Set<string>([entry])
  for (const path of seen)
    for (const { path: to, kind } of metafile.inputs[path]?.imports ?? [])
      if (kind !== 'dynamic-import') seen.add(to)
  return [...seen]
}
