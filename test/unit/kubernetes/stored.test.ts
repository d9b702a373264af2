import { describe, expect, it } from 'vitest'
import { fetchPage } from '../../../lib/kubernetes/list-pages.ts'
import { openCluster } from '../../../lib/kubernetes/open-cluster.ts'
import { initialState, step } from '../../../lib/kubernetes/watch/step.ts'

const signal = AbortSignal.timeout(10_000)
const metadata = { name: 'a', namespace: 'n', uid: 'u', resourceVersion: '1' }
const secret = { apiVersion: 'v1', kind: 'Secret' }

/** A cluster that answers every call with this body. */
function answering(body: unknown) {
  const request = async () => ({ status: 200, body, headers: {} })
  return { request, stream: () => Promise.reject(new Error('no stream')), close: async () => {} }
}

describe.each(['name', 'namespace', 'uid', 'resourceVersion'] as const)('an object without %s', field => {
  const { [field]: _, ...rest } = metadata
  const incomplete = { ...secret, metadata: rest }
  const refusal = {
    reason: 'ClusterUnavailable',
    fate: 'retryable',
    message: expect.stringContaining(`an object without metadata.${field}; check`),
  }

  it('fails a get', async () => {
    const reference = { ...secret, namespace: 'n', name: 'a' }
    await expect(openCluster(answering(incomplete)).get(reference, signal)).rejects.toMatchObject(refusal)
  })

  it('fails a create', async () => {
    const object = { ...secret, metadata: { namespace: 'n', name: 'a' } }
    await expect(openCluster(answering(incomplete)).create(object, signal)).rejects.toMatchObject(refusal)
  })

  it('fails a list', async () => {
    const client = answering({ metadata: { resourceVersion: '1' }, items: [incomplete] })
    await expect(fetchPage(client, secret, { next: undefined }, signal)).rejects.toMatchObject(refusal)
  })

  it('is an unreadable event of a watch', () => {
    const event = { type: 'ADDED', object: incomplete }
    const [, effects] = step(initialState(), { type: 'event', event }, { now: 0, random: 0 })
    expect(effects).toMatchObject([{ do: 'log', fields: { kind: 'garbled' } }, { do: 'wait' }])
  })
})

describe('a list', () => {
  it.each([
    ['a page of a proxy', '<html>Welcome</html>'],
    ['no body', undefined],
    ['an object without metadata', { items: [] }],
    ['a list without a version', { metadata: {}, items: [] }],
  ])('fails with %s in place of a list', async (_, body) => {
    await expect(fetchPage(answering(body), secret, { next: undefined }, signal)).rejects.toMatchObject({
      reason: 'ClusterUnavailable',
      message: expect.stringContaining('a list without metadata.resourceVersion; check'),
    })
  })

  it('is empty if its items are null', async () => {
    const body = { metadata: { resourceVersion: '1' }, items: null }
    const page = await fetchPage(answering(body), secret, { next: undefined }, signal)
    expect(page).toEqual({ items: [], resourceVersion: '1', next: undefined })
  })
})

it('accepts a cluster-scoped object without a namespace', async () => {
  const { namespace: _, ...rest } = metadata
  const cluster = openCluster(answering({ metadata: rest }))
  const found = await cluster.get({ apiVersion: 'v1', kind: 'Namespace', name: 'a' }, signal)
  expect(found).toEqual({ apiVersion: 'v1', kind: 'Namespace', metadata: rest })
})
