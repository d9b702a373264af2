import { describe, expect, it } from 'vitest'
import type { KubernetesClient } from '../../../../lib/kubernetes/client/http.ts'
import { createPulse, withPulse } from '../../../../local/health/pulse.ts'

describe('a followed loop', () => {
  it('is late after its limit, until it goes round again or ends', () => {
    let now = 0
    const pulse = createPulse(() => now)
    const poll = pulse.follow('reconcile', 1_000)
    pulse.follow('timer', 5_000)
    now = 1_000
    expect(pulse.late()).toEqual([])
    now = 1_500
    expect(pulse.late()).toEqual([{ name: 'reconcile', silentMs: 1_500 }])
    poll.beat()
    expect(pulse.late()).toEqual([])
    now = 3_000
    expect(pulse.late()).toEqual([{ name: 'reconcile', silentMs: 1_500 }])
    poll.end()
    expect(pulse.late()).toEqual([])
  })
})

describe('a client with a pulse', () => {
  it('beats at each answer, each failure and each piece of a stream', async () => {
    let beats = 0
    async function* pieces() {
      yield new Uint8Array([1])
      yield new Uint8Array([2])
    }
    const inner: KubernetesClient = {
      request: async method => {
        if (method === 'PUT') throw new Error('refused')
        return { status: 200, body: {}, headers: {} }
      },
      stream: async () => ({ status: 200, headers: {}, body: pieces() }),
      close: async () => {},
    }
    const client = withPulse(inner, { beat: () => beats++, end: () => {} })
    const { signal } = new AbortController()
    await client.request('GET', '/', {}, signal)
    expect(beats).toBe(1)
    await expect(client.request('PUT', '/', {}, signal)).rejects.toThrow('refused')
    expect(beats).toBe(2)
    const read: number[] = []
    for await (const [byte] of (await client.stream('/', {}, signal)).body) read.push(Number(byte))
    expect(read).toEqual([1, 2])
    expect(beats).toBe(5)
  })
})
