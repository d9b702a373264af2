import { describe, expect, it } from 'vitest'
import { startupProbe } from '../../../../lib/desired/objects/probe.ts'

const ports = [{ name: 'http', port: 8080, protocol: 'TCP' as const, appProtocol: 'http' as const }]

describe('startupProbe', () => {
  it('is absent unless the template says how long a start may take', () => {
    expect(startupProbe({ readinessProbe: { tcpSocket: { port: 1 } } }, ports)).toBeUndefined()
  })

  it('asks the question of the readiness probe, without its delay', () => {
    const readinessProbe = {
      httpGet: { path: '/', port: '8080' },
      initialDelaySeconds: 60,
      periodSeconds: 30,
    }
    expect(startupProbe({ readinessProbe, startupSeconds: 90 }, ports)).toEqual({
      httpGet: { path: '/', port: 8080 },
      periodSeconds: 2,
      failureThreshold: 46,
    })
  })

  it('asks by TCP without a readiness probe', () => {
    expect(startupProbe({ startupSeconds: 1 }, ports)).toEqual({
      tcpSocket: { port: 8080 },
      periodSeconds: 2,
      failureThreshold: 2,
    })
  })

  it('is absent without a port that can be asked', () => {
    expect(startupProbe({ startupSeconds: 60 }, [])).toBeUndefined()
  })
})
