import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, it } from 'vitest'
import { openClient } from '../../../lib/kubernetes/client/client.ts'

const userAgent = 'challenge-operator/1.2.3 (reconcile)'
const signal = AbortSignal.timeout(50_000)

async function serve(listener: RequestListener) {
  const server = createServer(listener)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const asked: boolean[] = []
  const token = async ({ fresh }: { fresh: boolean }) => {
    asked.push(fresh)
    return fresh ? 'new' : 'old'
  }
  const client = openClient({
    connection: { kind: 'server', server: `${url}/behind/a/path/`, token },
    userAgent,
  })
  const stop = async () => {
    await client.close()
    server.closeAllConnections()
    server.close()
  }
  return { client, server, asked, [Symbol.asyncDispose]: stop }
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
