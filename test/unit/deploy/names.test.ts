import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { busName, functionName, queueName, roleName, stackName } from '../../../deploy/plugin/names.ts'

const cluster = fc.stringMatching(/^[0-9A-Za-z][-\w]{0,99}$/)
const region = fc.constantFrom(
  'eu-central-1',
  'us-east-1',
  'ap-southeast-1',
  'cn-northwest-1',
  'us-gov-west-1',
)

describe('the names of a stack', () => {
  it('carry the cluster, and a role the region, too', () => {
    const installation = { cluster: 'prod-ctf', region: 'eu-central-1' }
    expect(stackName(installation)).toBe('challenge-operator-prod-ctf')
    expect(busName(installation)).toBe('challenge-operator-prod-ctf')
    expect(functionName(installation, 'sweep')).toBe('challenge-operator-prod-ctf-sweep')
    expect(queueName(installation, 'changes.fifo')).toBe('challenge-operator-prod-ctf-changes.fifo')
    expect(roleName(installation, 'sweep')).toBe('challenge-operator-prod-ctf-eu-central-1-sweep')
  })

  it('stay within the limits of AWS for every name that EKS accepts', () => {
    fc.assert(
      fc.property(cluster, region, (name, place) => {
        const installation = { cluster: name, region: place }
        expect(stackName(installation)).toMatch(/^[A-Za-z][-A-Za-z0-9]{0,127}$/)
        expect(busName(installation)).toMatch(/^[/.\-_A-Za-z0-9]{1,256}$/)
        expect(functionName(installation, 'watch-forwarder')).toMatch(/^[-_a-zA-Z0-9]{1,64}$/)
        expect(queueName(installation, 'schedules-dead-letters')).toMatch(/^[-_A-Za-z0-9]{1,80}$/)
        expect(queueName(installation, 'dead-letters.fifo')).toMatch(/^(?=.{1,80}$)[-_A-Za-z0-9]+\.fifo$/)
        expect(roleName(installation, 'watch-forwarder')).toMatch(/^[\w+=,.@-]{1,64}$/)
      }),
    )
  })

  it('differ for two clusters, and the roles also for two regions', () => {
    fc.assert(
      fc.property(cluster, cluster, region, region, (a, b, here, there) => {
        const first = { cluster: a, region: here }
        const second = { cluster: b, region: there }
        if (a !== b) for (const name of [stackName, busName]) expect(name(first)).not.toBe(name(second))
        if (a !== b || here !== there) expect(roleName(first, 'sweep')).not.toBe(roleName(second, 'sweep'))
      }),
    )
  })

  it.each([
    ['prod_ctf', 'prod-ctf'],
    [`${'a'.repeat(99)}1`, `${'a'.repeat(99)}2`],
  ])('differ for %s and %s, which are alike once they fit', (a, b) => {
    const region = 'eu-central-1'
    for (const name of [
      stackName,
      (each: { cluster: string; region: string }) => roleName(each, 'reconcile'),
    ])
      expect(name({ cluster: a, region })).not.toBe(name({ cluster: b, region }))
  })

  it('are the same whenever they are made, so that access entries outlive a removed stack', () => {
    expect(
      roleName({ cluster: 'a-cluster-with-a-long-name', region: 'eu-central-1' }, 'watch-forwarder'),
    ).toBe('challenge-operator-a-clust-b8bc2e17-eu-central-1-watch-forwarder')
  })
})
