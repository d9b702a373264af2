import { describe, expect, it } from 'vitest'
import type { TemplateContainer } from '../../../../lib/crd/challenge-template.ts'
import { progressDeadlineSeconds } from '../../../../lib/desired/objects/deployment.ts'
import { template } from '../inputs.ts'

const tcpSocket = { port: 8080 }
const deadline = (spec: Partial<TemplateContainer>) => progressDeadlineSeconds(template(spec).spec)

describe('progressDeadlineSeconds', () => {
  it.each<[number, Partial<TemplateContainer>]>([
    [120, {}],
    [120, { readinessProbe: { tcpSocket } }],
    [120, { readinessProbe: { tcpSocket, periodSeconds: 5 } }],
    [180, { startupSeconds: 1 }],
    [180, { readinessProbe: { tcpSocket, initialDelaySeconds: 20 } }],
    [390, { readinessProbe: { tcpSocket, initialDelaySeconds: 300 } }],
    [375, { readinessProbe: { tcpSocket, initialDelaySeconds: 300, periodSeconds: 5 } }],
    [660, { readinessProbe: { tcpSocket, initialDelaySeconds: 300 }, startupSeconds: 600 }],
    [3_660, { startupSeconds: 3_600 }],
    [240, { readinessProbe: { tcpSocket, periodSeconds: 60 } }],
  ])('is %i for %j', (seconds, spec) => {
    expect(deadline(spec)).toBe(seconds)
  })

  it('waits for the slowest container', () => {
    const { spec } = template({ startupSeconds: 10 })
    const further = { name: 'db', image: 'db', resources: { cpu: 1, memory: '1Gi' }, startupSeconds: 900 }
    expect(progressDeadlineSeconds({ ...spec, containers: [further] })).toBe(960)
  })
})
