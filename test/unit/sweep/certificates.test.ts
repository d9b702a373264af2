import { describe, expect, it } from 'vitest'
import { annotations, labels } from '../../../lib/crd/group.ts'
import type { KubernetesObject, Stored } from '../../../lib/crd/objects.ts'
import { ingress } from '../../../lib/desired/exposure/ingress.ts'
import { identity } from '../../../lib/desired/identity.ts'
import { copiedSecret } from '../../../lib/desired/objects/copied-secret.ts'
import { unusedMs } from '../../../lib/desired/unused.ts'
import { namedCertificate, unusedCertificates, wrongCertificates } from '../../../lib/sweep/certificates.ts'
import { sweptChild } from '../../../lib/sweep/swept-child.ts'
import { sweptInstance } from '../../../lib/sweep/swept-instance.ts'
import { flagSecret, storedInstance } from '../../support/objects.ts'

const now = Date.parse('2026-11-21T09:00:00Z')
const instance = storedInstance()
const { namespace, uid } = instance.metadata
const source = { ...flagSecret(), type: 'kubernetes.io/tls' }
const copyName = 'wildcard-00000000'

function stored(object: KubernetesObject, more: KubernetesObject['metadata'] = {}): Stored<KubernetesObject> {
  const read = { uid: 'u', resourceVersion: '3', creationTimestamp: '2026-11-21T08:00:00Z' }
  return { ...object, metadata: { ...object.metadata, ...read, ...more } } as Stored<KubernetesObject>
}

const swept = (object: Stored<KubernetesObject>) => sweptChild(object, () => true)

function ingressOf({ secretName, tls = true }: { secretName?: string | undefined; tls?: boolean }) {
  const own = identity(instance, namespace)
  const host = 'web.example.com'
  const parts = { identity: own, annotations: {}, className: 'x', host, port: 80, tls, secretName }
  return stored(ingress(parts))
}

const copyOf = (metadata: KubernetesObject['metadata'] = {}) =>
  swept(stored(copiedSecret(source, { namespace, name: copyName }), metadata))

describe('unusedCertificates', () => {
  const used = new Set(namedCertificate(ingressOf({ secretName: copyName })))

  it('finds a copy that no Ingress in its namespace names', () => {
    expect(unusedCertificates([copyOf()], new Set(), now)).toHaveLength(1)
    expect(unusedCertificates([copyOf({ namespace: 'other' })], used, now)).toHaveLength(1)
    expect(unusedCertificates([copyOf()], used, now)).toEqual([])
  })

  it('leaves out one that was marked of late, and finds it when it was unused for long enough', () => {
    const marked = copyOf({ annotations: { [annotations.unusedSince]: new Date(now).toISOString() } })
    expect(unusedCertificates([marked], new Set(), now + unusedMs - 1)).toEqual([])
    expect(unusedCertificates([marked], new Set(), now + unusedMs)).toHaveLength(1)
  })

  it('leaves Secrets of others and copies of pull Secrets alone', () => {
    const foreign = copyOf({ labels: { [labels.certificate]: 'true' } })
    const pull = swept(stored(copiedSecret(flagSecret(), { namespace, name: 'registry-0' })))
    expect(unusedCertificates([foreign, pull], new Set(), now)).toEqual([])
  })
})

describe('wrongCertificates', () => {
  const instances = new Map([[uid, sweptInstance(instance)]])
  const from = { namespace: 'ingress', name: 'wildcard' }
  const found = (certificate: Parameters<typeof ingressOf>[0], exists: boolean | undefined, origin = from) =>
    wrongCertificates([swept(ingressOf(certificate))], instances, { source: origin, exists, now })

  it('finds the instance whose Ingress names no certificate since there is one', () => {
    expect(found({}, true)).toMatchObject([{ key: { uid }, cause: 'drift' }])
    expect(found({ secretName: copyName }, true)).toEqual([])
    expect(found({ tls: false }, true)).toEqual([])
  })

  it('finds the instance whose Ingress names a certificate that is gone, and not the copy that is left', () => {
    expect(found({ secretName: copyName }, false)).toEqual([])
    expect(found({ secretName: 'wildcard' }, false, { namespace, name: 'wildcard' })).toHaveLength(1)
    expect(found({}, false)).toEqual([])
  })

  it('finds nothing where it is not known whether there is one', () => {
    expect(found({}, undefined)).toEqual([])
  })
})
