import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, it } from 'vitest'
import { openClient } from '../../../lib/kubernetes/client/client.ts'
import { startTcpProxy } from './tcp-proxy.ts'

const userAgent = 'challenge-operator/1.2.3 (reconcile)'
const signal = AbortSignal.timeout(50_000)

async function serve(listener: RequestListener, callMs = 10_000) {
  const server = createServer(listener)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const proxy = await startTcpProxy({ host: '127.0.0.1', port })
  const url = `http://127.0.0.1:${proxy.port}`
  const asked: boolean[] = []
  const token = async ({ fresh }: { fresh: boolean }) => {
    asked.push(fresh)
    return fresh ? 'new' : 'old'
  }
  const client = openClient({
    connection: { kind: 'server', server: `${url}/behind/a/path/`, token },
    userAgent,
    callMs,
  })
  const stop = async () => {
    await client.close()
    await proxy.stop()
    server.closeAllConnections()
    server.close()
  }
  return { client, proxy, asked, [Symbol.asyncDispose]: stop }
}

describe('a request', () => {
  it('carries user agent, credential, query and body', async () => {
    await using at = await serve((request, response) => {
      const { method, url, headers } = request
      response.end(JSON.stringify({ method, url, headers }))
    })
    const query = { limit: 5, labelSelector: 'a=b&c', absent: undefined }
    const { body } = await at.client.request('POST', '/api/v1/x', { body: { a: 1 }, query }, signal)
    expect(body).toMatchObject({
      method: 'POST',
      url: '/behind/a/path/api/v1/x?limit=5&labelSelector=a%3Db%26c',
      headers: { 'user-agent': userAgent, authorization: 'Bearer old', 'content-type': 'application/json' },
    })
  })
})

it('a deletion with a body keeps its connection', async () => {
  await using at = await serve(async (request, response) => {
    for await (const _ of request);
    response.end('{}')
  })
  for (let round = 0; round < 30; round++) {
    const body = { preconditions: { uid: 'a' } }
    expect(await at.client.request('DELETE', '/x', { body }, signal)).toMatchObject({ status: 200 })
  }
  // The client keeps at most eight connections.
  expect(at.proxy.accepted).toBeLessThanOrEqual(8)
})

describe('a request whose token is refused', () => {
  it('is sent once more with a fresh token', async () => {
    await using at = await serve((request, response) => {
      response.statusCode = request.headers.authorization === 'Bearer new' ? 200 : 401
      response.end('{}')
    })
    expect(await at.client.request('GET', '/x', {}, signal)).toMatchObject({ status: 200 })
    expect(at.asked).toEqual([false, true])
  })

  it('returns the second refusal', async () => {
    await using at = await serve((_request, response) => {
      response.statusCode = 401
      response.end('{}')
    })
    expect(await at.client.request('GET', '/x', {}, signal)).toMatchObject({ status: 401 })
    expect(at.asked).toEqual([false, true])
  })
})

describe('a request without an answer', () => {
  it('is sent again on another connection if its connection died', async () => {
    let requests = 0
    await using at = await serve((request, response) => {
      requests += 1
      if (requests === 2) request.socket.resetAndDestroy()
      else response.end('{}')
    })
    await at.client.request('GET', '/x', {}, signal)
    expect(await at.client.request('POST', '/x', { body: {} }, signal)).toMatchObject({ status: 200 })
    expect(requests).toBe(3)
  })

  it('fails with a sentence that has no token if nothing listens', async () => {
    const connection = { kind: 'server', server: 'http://127.0.0.1:1', token: async () => 'hidden' } as const
    const client = openClient({ connection, userAgent })
    const refused = client.request('GET', '/api/v1/x', {}, signal)
    await expect(refused).rejects.toMatchObject({
      reason: 'ClusterUnavailable',
      fate: 'retryable',
      message: 'The cluster cannot be reached (GET /api/v1/x): nothing listens there.',
    })
    await client.close()
  })

  it('fails with the reason of the signal that ended it', async () => {
    await using at = await serve(() => {})
    const reason = new Error('the caller has had enough')
    const controller = new AbortController()
    setTimeout(() => controller.abort(reason), 50)
    const cut = at.client.request('GET', '/x', {}, controller.signal)
    await expect(cut).rejects.toMatchObject({ reason: 'ClusterUnavailable', cause: reason })
    const late = at.client.request('GET', '/x', {}, AbortSignal.timeout(50))
    await expect(late).rejects.toMatchObject({ reason: 'ClusterUnavailable', message: 'GET /x timed out.' })
  })
})

describe('a request on a connection that has gone silent', () => {
  it('ends after the limit of a call, and the kept connections are not used any more', async () => {
    await using at = await serve((_request, response) => void setTimeout(() => response.end('{}'), 50), 5_000)
    const ask = () => at.client.request('GET', '/x', {}, signal)
    // The client keeps at most eight connections, so the next request cannot open one more.
    await Promise.all(Array.from({ length: 20 }, ask))
    expect(at.proxy.accepted).toBe(8)
    at.proxy.silence()
    await expect(ask()).rejects.toMatchObject({ reason: 'ClusterUnavailable', message: 'GET /x timed out.' })
    for (let next = 0; next < 3; next++) expect(await ask()).toMatchObject({ status: 200 })
  })

  it('has a limit of its own where the usual one does not fit, and a stream has none', async () => {
    await using at = await serve((request, response) => {
      const everyMs = request.url?.endsWith('/stream') ? 100 : 600
      response.write('{')
      setTimeout(() => response.write(' '), everyMs)
      setTimeout(() => response.end('}'), 600)
    }, 300)
    expect(await at.client.request('GET', '/list', { limitMs: 20_000 }, signal)).toMatchObject({ body: {} })
    await expect(at.client.request('GET', '/x', {}, signal)).rejects.toThrow('timed out')
    const chunks: string[] = []
    const stream = await at.client.stream('/stream', {}, signal)
    for await (const chunk of stream.body) chunks.push(Buffer.from(chunk).toString())
    expect(chunks.join('')).toBe('{ }')
  })
})
