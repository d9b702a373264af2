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
