import { describe, expect, it } from 'vitest'
import { parseOperatorConfig } from '../../../lib/config/operator.ts'
import type { DesiredExposure } from '../../../lib/desired/exposure/exposure.ts'
import { exposureVerdict } from '../../../lib/observed/exposure.ts'

const exposure = {
  type: 'Ingress',
  host: 'web.example.com',
  port: { name: 'http', port: 8080, protocol: 'TCP', appProtocol: 'http' },
} as Partial<DesiredExposure> as DesiredExposure

describe('the address of an instance behind a controller', () => {
  it.each([
    ['', true, 'https://web.example.com'],
    ['http=80', false, 'http://web.example.com'],
    ['http=8080', false, 'http://web.example.com:8080'],
    ['https=443', true, 'https://web.example.com'],
    ['https=8443', true, 'https://web.example.com:8443'],
  ])('with OPERATOR_PUBLIC_PORTS=%s and tls: %s is %s', (ports, tls, url) => {
    const config = parseOperatorConfig({ OPERATOR_PUBLIC_PORTS: ports }).exposure
    const verdict = exposureVerdict({
      exposure: { ...exposure, tls },
      object: undefined,
      hostIP: undefined,
      config,
    })
    expect(verdict.outside?.url).toBe(url)
  })
})

describe('the address of a node port without a domain', () => {
  const service = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'web-exposed' },
    spec: { ports: [{ port: 8080, nodePort: 30_080 }] },
  }

  it.each([
    ['192.0.2.7', 'http://192.0.2.7:30080'],
    ['2001:db8::7', 'http://[2001:db8::7]:30080'],
  ])('is that of the node of the pod: %s', (hostIP, url) => {
    const nodePort = { ...exposure, type: 'NodePort', host: undefined } as DesiredExposure
    const config = parseOperatorConfig({}).exposure
    const verdict = exposureVerdict({ exposure: nodePort, object: service, hostIP, config })
    expect(verdict).toMatchObject({ reason: undefined, outside: { url } })
    const without = exposureVerdict({ exposure: nodePort, object: service, hostIP: undefined, config })
    expect(without).toMatchObject({ reason: 'AddressPending', outside: undefined })
  })
})
