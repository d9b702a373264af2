import { expect, it } from 'vitest'
import { parseOperatorConfig } from '../../../../lib/config/operator.ts'
import type { Ingress } from '../../../../lib/crd/objects.ts'
import { desiredExposure, type ExposureGround, noGround } from '../../../../lib/desired/exposure/exposure.ts'
import { identity } from '../../../../lib/desired/identity.ts'
import { storedInstance, storedTemplate } from '../../../support/objects.ts'

const config = parseOperatorConfig({
  FLAG_SECRET: 'a secret of the tests, long enough to be one',
  OPERATOR_DOMAIN: 'play.example.com',
  OPERATOR_INGRESS_CLASS: 'nginx',
  OPERATOR_TLS_SECRET: 'ingress/wildcard',
})
const instance = storedInstance()
const { spec } = storedTemplate({ spec: { ...storedTemplate().spec, exposure: { type: 'Ingress' } } })

function exposureWith(certificate: ExposureGround['certificate']) {
  const own = identity(instance, instance.metadata.namespace)
  const ground = { ...noGround, claim: 'held', ingressClass: 'exists', certificate } as const
  return desiredExposure({ instance, spec, identity: own, config, ground })
}

it.each(['exists', 'unknown'] as const)('an Ingress names its certificate where it %s', certificate => {
  const [tls] = (exposureWith(certificate)?.object as Ingress | undefined)?.spec.tls ?? []
  expect(tls?.secretName).toMatch(/^wildcard-[0-9a-f]{8}$/)
})

it('an Ingress lists its host without a Secret while there is none, and the copying is still tried', () => {
  const exposure = exposureWith('missing')
  expect((exposure?.object as Ingress | undefined)?.spec.tls).toEqual([{ hosts: [exposure?.host] }])
  expect(exposure?.certificate?.source).toEqual({ namespace: 'ingress', name: 'wildcard' })
  expect(exposure?.problem).toBeUndefined()
})
