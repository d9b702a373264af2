import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { annotations } from '../../../lib/crd/group.ts'
import { openClient } from '../../../lib/kubernetes/client/client.ts'
import type { KubernetesClient } from '../../../lib/kubernetes/client/http.ts'
import { objectPath } from '../../../lib/kubernetes/client/paths.ts'
import { elect } from '../../../lib/kubernetes/lease/elect.ts'
import type { Lease, LeaseTimes } from '../../../lib/kubernetes/lease/record.ts'
import { forwarderLease } from '../../../lib/kubernetes/lease/record.ts'
import { waitUntil } from '../../../local/process/wait.ts'
import { sharedControlPlane, testNamespace } from '../../support/shared-parts.ts'
import { type Front, startFront } from './front.ts'
import { createRecorder, type Recorder } from './recorder.ts'

const userAgent = 'challenge-operator/test (lease)'
const signal = AbortSignal.timeout(110_000)

interface Candidate {
  recorder: Recorder
  /** `leading`, `following`, in order. */
  turns: string[]
  front: Front
  /** In order. */
  end(): Promise<void>
}

let direct: KubernetesClient
let namespace: string
let candidates: Candidate[]

beforeAll(() => {
  const { kubeconfig } = sharedControlPlane()
  direct = openClient({ connection: { kind: 'kubeconfig', path: kubeconfig }, userAgent })
})

afterAll(() => direct?.close())

beforeEach(async () => {
  candidates = []
  namespace = (await testNamespace('lease', signal)).name
})

afterEach(async () => {
  for (const { end, front } of candidates) {
    await end()
    await front.stop()
  }
})

const path = () =>
  objectPath({ apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', namespace, name: forwarderLease })

async function read(): Promise<Lease> {
  return (await direct.request('GET', path(), {}, signal)).body as Lease
}

async function stand(identity: string, times: Partial<LeaseTimes> = {}): Promise<Candidate> {
  const recorder = createRecorder()
  const turns: string[] = []
  const front = await startFront(sharedControlPlane())
  const client = openClient({ connection: front.connection, userAgent })
  const stop = new AbortController()
  const callbacks = {
    onLeading: () => void turns.push('leading'),
    onFollowing: () => void turns.push('following'),
  }
  const options = { client, namespace, identity, writer, log: recorder.log, times, ...callbacks }
  const done = elect(options, stop.signal)
  const end = async () => {
    stop.abort()
    await done
    await client.close()
  }
  const candidate = { recorder, turns, front, end }
  candidates.push(candidate)
  return candidate
}

const until = (what: string, ms: number, condition: () => boolean) =>
  waitUntil(what, ms, async () => condition(), signal)
const writer = { stack: 'stack', deployedAt: undefined, version: '1.2.3' }
const quick = { durationMs: 2_000, renewMs: 500, retryMs: 200, warnAfterMs: 1_000 }
const away = { status: 503, body: { kind: 'Status', code: 503, message: 'away' } }

describe('the election', () => {
  it('lets the first candidate lead, and writes the lease as client-go does', async () => {
    const one = await stand('one')
    await until('the first leads', 5_000, () => one.turns.length > 0)
    const { metadata, spec } = await read()
    expect(spec).toMatchObject({ holderIdentity: 'one', leaseDurationSeconds: 15, leaseTransitions: 0 })
    expect(metadata.annotations).toEqual({ [annotations.stack]: 'stack', [annotations.version]: '1.2.3' })
    expect(spec?.renewTime).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/)
  })

  it('lets the holder lead for as long as it renews, whatever a remote clock says', async () => {
    const one = await stand('one', quick)
    await until('the first leads', 5_000, () => one.turns.length > 0)
    const two = await stand('two', quick)
    await sleep(4_000)
    expect([one.turns, two.turns]).toEqual([['leading'], []])
  })

  it('lets the second candidate lead at once when the first gives the lease up', async () => {
    const one = await stand('one')
    await until('the first leads', 5_000, () => one.turns.length > 0)
    const two = await stand('two')
    await until('the second watches', 5_000, () => two.front.requests.length > 1)
    await sleep(500)
    const began = Date.now()
    await one.end()
    await until('the second leads', 5_000, () => two.turns.length > 0)
    expect(Date.now() - began).toBeLessThan(4_000)
    // It led on until the second one did.
    expect(one.turns).toEqual(['leading', 'following'])
    expect((await read()).spec).toMatchObject({ holderIdentity: 'two', leaseTransitions: 1 })
  })

  it('lets the second candidate lead within the duration when the first dies', async () => {
    const one = await stand('one', quick)
    await until('the first leads', 5_000, () => one.turns.length > 0)
    const two = await stand('two', quick)
    await sleep(500)
    const began = Date.now()
    one.front.answer = () => away
    await until('the second leads', 10_000, () => two.turns.length > 0)
    const took = Date.now() - began
    expect(took).toBeGreaterThan(1_000)
    expect(took).toBeLessThan(4_000)
    one.front.answer = () => undefined
    await until('the first follows', 5_000, () => one.turns.length > 1)
    expect(one.turns).toEqual(['leading', 'following'])
  })

  it('lets the leader go on with a warning while the API server is away', async () => {
    const one = await stand('one', quick)
    await until('the first leads', 5_000, () => one.turns.length > 0)
    one.front.answer = () => away
    await one.recorder.until('a warning', () =>
      one.recorder.logged.some(({ message }) => message.includes('leading on')),
    )
    one.front.answer = () => undefined
    await sleep(1_000)
    expect(one.turns).toEqual(['leading'])
  })
})

describe('a leader', () => {
  it('goes on after another writer has annotated the lease', async () => {
    const one = await stand('one', quick)
    await until('the first leads', 5_000, () => one.turns.length > 0)
    const body = [{ op: 'add', path: '/metadata/annotations', value: { note: 'x' } }]
    await direct.request('PATCH', path(), { body, contentType: 'application/json-patch+json' }, signal)
    const before = (await read()).spec?.renewTime
    await sleep(1_500)
    expect((await read()).spec?.renewTime).not.toBe(before)
    expect(one.turns).toEqual(['leading'])
  })

  it('creates a deleted lease again', async () => {
    const one = await stand('one')
    await until('the first leads', 5_000, () => one.turns.length > 0)
    await sleep(300)
    await direct.request('DELETE', path(), {}, signal)
    await waitUntil('a new lease', 5_000, async () => (await read()).spec?.holderIdentity === 'one', signal)
    expect(one.turns).toEqual(['leading'])
  })

  it('stops at once when another holder takes the lease', async () => {
    const one = await stand('one')
    await until('the first leads', 5_000, () => one.turns.length > 0)
    await sleep(300)
    const body = [{ op: 'replace', path: '/spec/holderIdentity', value: 'two' }]
    await direct.request('PATCH', path(), { body, contentType: 'application/json-patch+json' }, signal)
    await until('the first follows', 2_000, () => one.turns.length > 1)
    expect(one.turns).toEqual(['leading', 'following'])
  })
})

describe('the end of an election', () => {
  it('follows from a callback that throws, and gives the lease up', async () => {
    const log = createRecorder().log
    const broken = () => {
      throw new Error('broken')
    }
    const callbacks = { onLeading: broken, onFollowing: () => {} }
    await expect(
      elect({ client: direct, namespace, identity: 'one', writer, log, ...callbacks }, signal),
    ).rejects.toThrow('broken')
    expect((await read()).spec).toMatchObject({ holderIdentity: '', leaseDurationSeconds: 1 })
  })
})

describe('a standby', () => {
  it('makes no call while the watch reports renewals', async () => {
    // A busy machine does not count as one that was stopped.
    const patient = { ...quick, durationMs: 10_000 }
    const one = await stand('one', patient)
    await until('the first leads', 5_000, () => one.turns.length > 0)
    const two = await stand('two', patient)
    await sleep(1_000)
    const before = two.front.requests.length
    await sleep(3_000)
    expect(two.front.requests.length).toBe(before)
  })
})
