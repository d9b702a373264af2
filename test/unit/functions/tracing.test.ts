import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { functionTracer, secretHeaders } from '../../../functions/tracing.ts'
import type { SecretReference } from '../../../lib/config/secret-reference.ts'
import { type RecordedLog, recordedLog } from '../../support/recorded-log.ts'

const reference: SecretReference = {
  arn: 'arn:aws:ssm:eu-central-1:123456789012:parameter/ctf/tracing-headers',
  service: 'ssm',
  region: 'eu-central-1',
  domain: 'amazonaws.com',
  variable: 'OTEL_EXPORTER_OTLP_HEADERS',
}
const minute = 60_000

let recorded: RecordedLog
let clock: number
let reads: number
let kept: () => string
beforeEach(() => {
  recorded = recordedLog()
  clock = 0
  reads = 0
})

const access = () => ({
  log: recorded.log,
  now: () => clock,
  read: async () => {
    reads += 1
    return kept()
  },
})

describe('headers from a secret', () => {
  it.each([
    ['x-key=a%20b, tenant=ctf\n', { 'x-key': 'a b', tenant: 'ctf' }],
    ['{"OTEL_EXPORTER_OTLP_HEADERS": "x-key=k"}', { 'x-key': 'k' }],
  ])('are read once for %j', async (text, headers) => {
    kept = () => text
    const source = secretHeaders(reference, access())
    expect([await source.read(), await source.read()]).toEqual([headers, headers])
    expect(reads).toBe(1)
  })

  it.each(['HIDDEN', '{"x-key": "HIDDEN"}'])(
    'that are none name the secret and no value (%s)',
    async text => {
      kept = () => text
      await expect(secretHeaders(reference, access()).read()).rejects.toThrow(
        'OTEL_EXPORTER_OTLP_HEADERS_SECRET_ARN',
      )
      expect(JSON.stringify(recorded.lines)).not.toContain('HIDDEN')
    },
  )

  it('that cannot be read are asked for once a minute, and the log says so each time', async () => {
    kept = () => {
      throw new Error('away')
    }
    const source = secretHeaders(reference, access())
    for (const at of [0, 1_000, minute - 1]) {
      clock = at
      await expect(source.read()).rejects.toThrow('away')
    }
    expect(recorded.lines).toHaveLength(1)
    kept = () => 'x-key=k'
    clock = minute
    expect(await source.read()).toEqual({ 'x-key': 'k' })
    expect(recorded.lines[0]).toMatchObject({
      level: 'warn',
      fields: { variables: ['OTEL_EXPORTER_OTLP_HEADERS_SECRET_ARN'] },
    })
  })
})

describe('a receiver that refuses the headers', () => {
  const keys: unknown[] = []
  let accepted: string
  const server = createServer((request, response) => {
    const key = request.headers['x-key']
    keys.push(key)
    request.resume()
    response.writeHead(key === accepted ? 200 : 401, { 'content-type': 'application/json' }).end('{}')
  })
  beforeEach(async () => {
    keys.length = 0
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
  })
  afterEach(() => {
    server.close()
    server.closeAllConnections()
  })

  async function sendTwice(): Promise<void> {
    const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const tracing = { endpoint, headers: {}, headersSecret: reference }
    const tracer = functionTracer('reconcile', { tracing }, access())
    for (const at of [0, minute]) {
      clock = at
      tracer?.record({ name: 'a', kind: 'internal', startedAt: 0, endedAt: 1, attributes: {} })
      await tracer?.flush()
      if (at === 0) accepted = 'rotated'
    }
  }

  it('gets the spans with the new ones after a rotation', async () => {
    accepted = 'first'
    kept = () => `x-key=${accepted}`
    await sendTwice()
    expect(keys).toEqual(['first', 'first', 'rotated'])
  })

  it('is asked once for each batch while the secret is the same', async () => {
    accepted = 'first'
    kept = () => 'x-key=first'
    await sendTwice()
    expect(keys).toEqual(['first', 'first'])
  })
})
