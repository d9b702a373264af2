import { expect, test } from 'vitest'
import type { Cluster } from '../../../lib/kubernetes/cluster.ts'
import { sweptInstance } from '../../../lib/sweep/swept-instance.ts'
import { tlsCopies } from '../../../lib/sweep/tls-copies.ts'
import { silentLog } from '../../../lib/telemetry/log.ts'
import { recordedChild, storedInstance } from '../../support/objects.ts'

const source = { namespace: 'ingress', name: 'wildcard' }
const signal = new AbortController().signal

const withIngress = (namespace: string) =>
  sweptInstance(
    storedInstance({
      status: {
        children: [recordedChild({ apiVersion: 'networking.k8s.io/v1', kind: 'Ingress', namespace })],
      },
    }),
  )

function cluster(answer: () => object[]): { cluster: Cluster; lists: number } {
  const seen = { lists: 0, cluster: {} as Cluster }
  seen.cluster = {
    async *list() {
      seen.lists += 1
      yield answer()
    },
  } as unknown as Cluster
  return seen
}

test('an Ingress needs the copy of the certificate, in the version of its source', async () => {
  const { cluster: port } = cluster(() => [{ metadata: { resourceVersion: '7' } }])
  const deps = { cluster: port, log: silentLog }
  const { needed, exists } = await tlsCopies(deps, source, [withIngress('ctf')], signal)
  expect(exists).toBe(true)
  expect(needed).toMatchObject([{ copy: { namespace: 'ctf' }, sourceVersion: '7' }])
  expect(needed[0]?.copy.name).toMatch(/^wildcard-[0-9a-f]{8}$/)
})

test('an Ingress beside the certificate needs no copy, and the certificate is looked for', async () => {
  const { cluster: port } = cluster(() => [{ metadata: { resourceVersion: '7' } }])
  const found = await tlsCopies({ cluster: port, log: silentLog }, source, [withIngress('ingress')], signal)
  expect(found).toEqual({ needed: [], exists: true })
})

test('nothing is listed without an Ingress, or without a certificate', async () => {
  const seen = cluster(() => [])
  const deps = { cluster: seen.cluster, log: silentLog }
  const nothing = { needed: [], exists: undefined }
  expect(await tlsCopies(deps, source, [sweptInstance(storedInstance())], signal)).toEqual(nothing)
  expect(await tlsCopies(deps, undefined, [withIngress('ctf')], signal)).toEqual(nothing)
  expect(seen.lists).toBe(0)
})

test('a certificate that is missing is told, and leaves its copies as they are', async () => {
  const lines: string[] = []
  const log = { ...silentLog, warn: (message: string) => void lines.push(message) }
  const { needed, exists } = await tlsCopies(
    { cluster: cluster(() => []).cluster, log },
    source,
    [withIngress('ctf')],
    signal,
  )
  expect(needed).toMatchObject([{ sourceVersion: undefined }])
  expect(exists).toBe(false)
  expect(lines).toEqual(['certificate of Ingresses is missing'])
})

test('a certificate that may not be listed leaves its copies as they are', async () => {
  const { cluster: port } = cluster(() => {
    throw new Error('forbidden')
  })
  const deps = { cluster: port, log: silentLog }
  const { needed, exists } = await tlsCopies(deps, source, [withIngress('ctf')], signal)
  expect(needed).toMatchObject([{ sourceVersion: undefined }])
  expect(exists).toBeUndefined()
})
