import { describe, expect, it } from 'vitest'
import { OperatorError } from '../../../../lib/errors.ts'
import type { ApiResponse, KubernetesClient } from '../../../../lib/kubernetes/client/http.ts'
import { createRetryingClient } from '../../../../lib/kubernetes/client/retrying-client.ts'

const times = { firstMs: 1, longestMs: 4, limitMs: 200 }
const answer = (status: number, headers: ApiResponse['headers'] = {}): ApiResponse => ({
  status,
  body: undefined,
  headers,
})
const failure = (code: string) =>
  new OperatorError('ClusterUnavailable', code, { cause: Object.assign(new Error(code), { code }) })

/** A client that gives these answers in turn, and the last one for ever. */
function scripted(...script: (ApiResponse | Error)[]): { client: KubernetesClient; calls: () => number } {
  let calls = 0
  const request = async () => {
    const next = script[Math.min(calls++, script.length - 1)]
    if (next instanceof Error) throw next
    return next as ApiResponse
  }
  const client = { request, stream: () => Promise.reject(new Error('not used')), close: async () => {} }
  return { client, calls: () => calls }
}

const get = (client: KubernetesClient, signal = new AbortController().signal) =>
  createRetryingClient(client, times).request('GET', '/version', {}, signal)

describe('a retrying client', () => {
  it.each([
    ['429', answer(429, { 'retry-after': '0' })],
    ['503', answer(503)],
    ['a connection that is reset', failure('ECONNRESET')],
    ['a connection that breaks', failure('UND_ERR_SOCKET')],
  ])('repeats a call after %s', async (_, first) => {
    const { client, calls } = scripted(first, first, first, answer(200))
    expect((await get(client)).status).toBe(200)
    expect(calls()).toBe(4)
  })

  it.each([200, 201, 403, 404, 409, 422, 500])('returns status %i at once', async status => {
    const { client, calls } = scripted(answer(status))
    expect((await get(client)).status).toBe(status)
    expect(calls()).toBe(1)
  })

  it('fails at once where nothing listens', async () => {
    const { client, calls } = scripted(failure('ECONNREFUSED'))
    await expect(get(client)).rejects.toThrow('ECONNREFUSED')
    expect(calls()).toBe(1)
  })

  it('returns the last answer after its limit, with growing pauses before', async () => {
    const { client, calls } = scripted(answer(503))
    expect((await get(client)).status).toBe(503)
    expect(calls()).toBeGreaterThan(5)
    expect(calls()).toBeLessThan(times.limitMs)
  })

  it('throws the last error after its limit', async () => {
    const { client } = scripted(failure('ECONNRESET'))
    await expect(get(client)).rejects.toThrow('ECONNRESET')
  })

  it('ends with the reason of its signal', async () => {
    const { client } = scripted(answer(503))
    const stopping = new AbortController()
    setTimeout(() => stopping.abort(new Error('stop')), 5)
    await expect(get(client, stopping.signal)).rejects.toThrow('stop')
  })

  it('waits as long as the server asks, up to its own longest pause', async () => {
    const { client, calls } = scripted(answer(429, { 'retry-after': '60' }), answer(200))
    const started = Date.now()
    expect((await get(client)).status).toBe(200)
    expect(calls()).toBe(2)
    expect(Date.now() - started).toBeLessThan(1_000)
  })
})
