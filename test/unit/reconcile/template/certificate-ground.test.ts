import { beforeEach, expect, test } from 'vitest'
import { parseOperatorConfig } from '../../../../lib/config/operator.ts'
import type { KubernetesObject } from '../../../../lib/crd/objects.ts'
import { copiedSecretName } from '../../../../lib/desired/identity.ts'
import { copiedSecret } from '../../../../lib/desired/objects/copied-secret.ts'
import { trustMs } from '../../../../lib/desired/unused.ts'
import { OperatorError } from '../../../../lib/errors.ts'
import type { Cluster } from '../../../../lib/kubernetes/cluster.ts'
import { createCertificateGround } from '../../../../lib/reconcile/template/certificate-ground.ts'
import { flagSecret } from '../../../support/objects.ts'

const config = parseOperatorConfig({ OPERATOR_TLS_SECRET: 'ingress/wildcard' })
const signal = new AbortController().signal
const plain = flagSecret()
const wildcard = {
  ...plain,
  type: 'kubernetes.io/tls',
  metadata: { ...plain.metadata, namespace: 'ingress', name: 'wildcard' },
}
const copy = copiedSecret(wildcard, {
  namespace: 'ctf',
  name: copiedSecretName({ namespace: 'ingress', name: 'wildcard' }, 'ctf'),
})

let objects: KubernetesObject[]
let failure: OperatorError | undefined
let calls: number
let now: number
beforeEach(() => {
  objects = []
  failure = undefined
  calls = 0
  now = 1_000_000
})

function find({ namespace, name }: { namespace?: string; name: string }): KubernetesObject | undefined {
  calls += 1
  return objects.find(({ metadata }) => metadata.namespace === namespace && metadata.name === name)
}

const cluster = {
  get: async (reference: { namespace?: string; name: string }) => {
    if (failure) throw failure
    return find(reference)
  },
  getMetadata: async (reference: { namespace?: string; name: string }) => find(reference),
} as unknown as Cluster

const ground = () => createCertificateGround({ cluster, config, now: () => now })
const inCtf = { namespace: 'ctf', recheck: false }

test('a certificate exists as long as its source or a copy is there', async () => {
  expect(await ground()(inCtf, signal)).toBe('missing')
  objects = [wildcard]
  expect(await ground()(inCtf, signal)).toBe('exists')
  objects = [copy]
  expect(await ground()(inCtf, signal)).toBe('exists')
})

test('a Secret of another type, or of somebody else under the name of the copy, is no certificate', async () => {
  objects = [{ ...wildcard, type: 'Opaque' } as KubernetesObject]
  expect(await ground()(inCtf, signal)).toBe('missing')
  objects = [{ ...copy, metadata: { ...copy.metadata, labels: {} } }]
  expect(await ground()(inCtf, signal)).toBe('missing')
})

test('a certificate that was found is trusted for a while, and one that is missing is looked for each time', async () => {
  const read = ground()
  await read(inCtf, signal)
  await read(inCtf, signal)
  expect(calls).toBe(4)
  objects = [wildcard]
  for (let passes = 0; passes < 5; passes++) expect(await read(inCtf, signal)).toBe('exists')
  expect(await read({ namespace: 'another', recheck: false }, signal)).toBe('exists')
  expect(calls).toBe(5)
  objects = []
  expect(await read({ ...inCtf, recheck: true }, signal)).toBe('missing')
  objects = [wildcard]
  await read(inCtf, signal)
  objects = []
  now += trustMs
  expect(await read(inCtf, signal)).toBe('missing')
})

test('a certificate that may not be read is none, and a cluster that does not answer is no answer', async () => {
  failure = new OperatorError('Forbidden', 'no right')
  expect(await ground()(inCtf, signal)).toBe('missing')
  failure = new OperatorError('ClusterUnavailable', 'away')
  await expect(ground()(inCtf, signal)).rejects.toThrow('away')
})

test('nothing is asked for without a setting', async () => {
  const read = createCertificateGround({ cluster, config: parseOperatorConfig({}), now: () => now })
  expect(await read(inCtf, signal)).toBe('unknown')
  expect(calls).toBe(0)
})
