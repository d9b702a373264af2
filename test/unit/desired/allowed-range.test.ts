import { describe, expect, it, test } from 'vitest'
import { cidr, contains } from '../../../lib/config/cidr.ts'
import { addedExceptions } from '../../../lib/desired/objects/allowed-range.ts'
import { egressRules } from '../../../lib/desired/objects/egress.ts'
import { templateMessage } from '../../../lib/desired/template-message.ts'
import { config, template } from './inputs.ts'

const privateRanges = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10', '169.254.0.0/16']

describe('the exceptions that are added to an allowed range', () => {
  it('are private, shared and link-local ranges of the same family', () => {
    const added = addedExceptions({ cidr: '0.0.0.0/0' }, [])
    expect(added).toEqual(expect.arrayContaining(privateRanges))
    expect(added.filter(each => each.includes(':'))).toEqual([])
    const sixth = addedExceptions({ cidr: '::/0' }, ['203.0.113.0/24'])
    expect(sixth).toEqual(expect.arrayContaining(['fc00::/7', 'fe80::/10']))
    expect(sixth.filter(each => !each.includes(':'))).toEqual([])
  })

  it("are the cluster's own ranges, also in a private range that the author named", () => {
    expect(addedExceptions({ cidr: '10.0.0.0/8' }, ['10.96.0.0/12', 'fd01::/48'])).toEqual(['10.96.0.0/12'])
    expect(addedExceptions({ cidr: '203.0.0.0/16' }, ['203.0.113.0/24'])).toEqual(['203.0.113.0/24'])
  })

  it('are the metadata address in a private range of IPv6', () => {
    expect(addedExceptions({ cidr: 'fd00::/8' }, [])).toEqual(['fd00:ec2::254/128'])
  })

  it('are none in a range that the author named on purpose, or that is public', () => {
    for (const range of ['10.0.0.0/8', '192.168.7.0/24', '198.51.100.0/24', '2001:db8::/32'])
      expect(addedExceptions({ cidr: range }, [])).toEqual([])
  })

  it('leave out what the author excepted', () => {
    const except = ['169.254.0.0/16', '10.0.0.0/7']
    const added = addedExceptions({ cidr: '0.0.0.0/0', except }, [])
    expect(added).not.toContain('169.254.0.0/16')
    expect(added).not.toContain('10.0.0.0/8')
    expect(added).toContain('192.168.0.0/16')
  })
})

/** Addresses of an API server, a node, a database and a platform in a cluster whose ranges nobody has configured. */
const inside = [
  '10.96.0.1',
  '172.31.5.20',
  '192.168.1.10',
  '100.100.4.5',
  '169.254.169.254',
  'fd00:ec2::254',
  'fe80::1',
]

test.each(inside)('a policy that allows everything does not lead to %s', address => {
  const egressAllowlist = [{ cidr: '0.0.0.0/0', except: ['169.254.0.0/16'] }, { cidr: '::/0' }]
  const { spec } = template({ networkProfile: 'egress-allowlist', egressAllowlist })
  const host = cidr(address.includes(':') ? `${address}/128` : `${address}/32`)
  const blocks = egressRules(spec, { ...config, clusterCidrs: [] }).flatMap(rule =>
    (rule.to ?? []).flatMap(({ ipBlock }) => (ipBlock ? [ipBlock] : [])),
  )
  expect(blocks).toHaveLength(2)
  const open = blocks.filter(
    block =>
      contains(cidr(block.cidr), host) && !(block.except ?? []).some(each => contains(cidr(each), host)),
  )
  expect(open).toEqual([])
})

describe('the message of a template', () => {
  const messageOf = (spec: Parameters<typeof template>[0]) =>
    templateMessage(template({ networkProfile: 'egress-allowlist', ...spec }).spec, config)

  it('names the parts of a range that stay closed', () => {
    const message = messageOf({ egressAllowlist: [{ cidr: '8.0.0.0/5' }, { cidr: '198.51.100.0/24' }] })
    expect(message).toBe(
      'egressAllowlist: 8.0.0.0/5 does not reach 10.0.0.0/8. ' +
        'If instances need a private range, give it an entry of its own.',
    )
  })

  it('is missing if nothing is added, also with another profile', () => {
    expect(messageOf({ egressAllowlist: [{ cidr: '10.0.0.0/8' }] })).toBeUndefined()
    expect(messageOf({ networkProfile: 'open', egressAllowlist: [] })).toBeUndefined()
    expect(messageOf({})).toBeUndefined()
  })

  it('fits into the field of the status', () => {
    const egressAllowlist = Array.from({ length: 32 }, () => ({ cidr: '::/0' }))
    expect(messageOf({ egressAllowlist })?.length).toBeLessThanOrEqual(1_024)
  })
})
