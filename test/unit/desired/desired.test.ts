import { describe, expect, test } from 'vitest'
import type { ChallengeTemplateSpec } from '../../../lib/crd/challenge-template.ts'
import type { Deployment } from '../../../lib/crd/objects.ts'
import { canonicalJson } from '../../../lib/desired/canonical.ts'
import type { Desired, DesiredInput } from '../../../lib/desired/desired.ts'
import { built, config, desired, instance, problemOf, template } from './inputs.ts'

const child = (state: Desired, kind: string) => state.children.find(each => each.object.kind === kind)
const hashes = (state: Desired) =>
  Object.fromEntries(state.children.map(each => [each.object.kind, each.hash]))

const staticFlag = (format: string) => template({ flagStrategy: { type: 'static', format } })

describe('the hash of a child', () => {
  test('covers the content and not the order of its fields', () => {
    expect(canonicalJson({ b: [{ d: 1, c: undefined }], a: 'ü' })).toBe('{"a":"ü","b":[{"d":1}]}')
    const turned = {
      ...template(),
      spec: { resources: { memory: '128Mi', cpu: '250m' }, image: template().spec.image },
    }
    expect(built({ template: turned })).toEqual(built())
  })

  test('of the Secret and the Deployment, and no other one, changes with the flag of a template', () => {
    const one = built({ template: staticFlag('flag{one}') })
    const two = built({ template: staticFlag('flag{two}') })
    const changed = Object.keys(hashes(one)).filter(kind => hashes(one)[kind] !== hashes(two)[kind])
    expect(changed).toEqual(['Secret', 'Deployment'])
    expect(one.templateHash).toBe(two.templateHash)
  })

  test('of the Secret and the Deployment changes with the flag in a Secret, and the hash of the template stays', () => {
    const referring = template({ flagStrategy: { type: 'static', secretRef: { name: 'flags', key: 'web' } } })
    const one = built({ template: referring }, 'flag{one}')
    const two = built({ template: referring }, 'flag{two}')
    expect(child(one, 'Secret')?.hash).not.toBe(child(two, 'Secret')?.hash)
    expect(child(one, 'Deployment')?.hash).not.toBe(child(two, 'Deployment')?.hash)
    expect(one.templateHash).toBe(two.templateHash)
  })

  test('of the Deployment, and no other one, changes when the instance is hibernated', () => {
    const [up, down] = [built(), built({ hibernated: true })]
    expect(Object.keys(hashes(up)).filter(kind => hashes(up)[kind] !== hashes(down)[kind])).toEqual([
      'Deployment',
    ])
  })

  test('of the Deployment, and no other one, changes with each new value of restartedAt', () => {
    const states = [undefined, '2026-11-29T12:00:00Z', '2026-11-29T12:00:01Z'].map(restartedAt =>
      built({ instance: instance(restartedAt === undefined ? {} : { restartedAt }) }),
    )
    const hashesOf = (kind: string) => new Set(states.map(state => hashes(state)[kind]))
    expect(hashesOf('Deployment').size).toBe(3)
    expect(hashesOf('Service').size).toBe(1)
    expect(hashesOf('Secret').size).toBe(1)
  })
})

test('the desired state is the same bytes for the same input, and the input stays unchanged', () => {
  const input = {
    instance: frozen(instance()),
    template: frozen(template({ networkProfile: 'open', capabilities: ['SETUID', 'CHOWN'] })),
    config: frozen({ ...config, ingressNamespaces: ['b', 'a'] }),
    env: frozen({ B: '1', A: '2' }),
  }
  expect(JSON.stringify(built(input))).toBe(JSON.stringify(built(input)))
})

function frozen<T extends object>(value: T): T {
  for (const each of Object.values(value)) if (typeof each === 'object' && each !== null) frozen(each)
  return Object.freeze(value)
}

test('the desired state contains the flag in the Secret only', () => {
  const state = built(
    { template: template({ flagStrategy: { type: 'static', secretRef: { name: 'flags', key: 'web' } } }) },
    'flag{s3cret}',
  )
  const elsewhere = JSON.stringify({
    ...state,
    children: state.children.filter(each => each.object.kind !== 'Secret'),
  })
  expect(elsewhere).not.toContain('s3cret')
  expect(elsewhere).not.toContain(Buffer.from('flag{s3cret}').toString('base64'))
})

test("the desired state contains no annotation of the platform's instance", () => {
  const noted = built({ instance: instance({ annotations: { 'sidecar.istio.io/inject': 'false' } }) })
  expect(noted).toEqual(built())
})

describe('the environment of the container', () => {
  const env = (input: Partial<DesiredInput>) => {
    const workload = child(built(input), 'Deployment')?.object as Deployment
    return workload.spec.template.spec.containers[0]?.env ?? []
  }

  test('prefers the flag, then the owner, then the instance, then the template', () => {
    const all = [
      { name: 'FLAG', value: 't' },
      { name: 'TEAM_ID', value: 't' },
      { name: 'A', value: 't' },
      { name: 'B', value: 't' },
    ]
    const seen = env({
      template: template({ env: all, flagStrategy: { type: 'hmac-per-instance' } }),
      env: { FLAG: 'i', EVENT_ID: 'i', A: 'i' },
    })
    expect(seen.map(({ name, value }) => [name, value])).toEqual([
      ['FLAG', undefined],
      ['TEAM_ID', '7'],
      ['EVENT_ID', '3'],
      ['A', 'i'],
      ['B', 't'],
    ])
  })

  test("takes a value of the instance literally, and leaves the references in a template's value", () => {
    const seen = env({
      template: template({ env: [{ name: 'T', value: '$(TEAM_ID)' }] }),
      env: { I: '$(TEAM_ID)$', J: '5 $' },
    })
    expect(seen.slice(2)).toEqual([
      { name: 'I', value: '$$(TEAM_ID)$$' },
      { name: 'J', value: '5 $' },
      { name: 'T', value: '$(TEAM_ID)' },
    ])
  })
})

describe('a template', () => {
  test.each<[string, Partial<ChallengeTemplateSpec>, string]>([
    [
      'a cpu that is no quantity',
      { resources: { cpu: 'lots', memory: '128Mi' } },
      'resources.cpu is "lots", which is no quantity',
    ],
    [
      'a memory below one byte',
      { resources: { cpu: 1, memory: '128m' } },
      'resources.memory is "128m", which is less than a mebibyte; write 128Mi',
    ],
    ['a cpu of zero', { resources: { cpu: 0, memory: '128Mi' } }, 'more than zero'],
    ['an empty image', { image: ' ' }, 'image is empty'],
    ['no ports', { ports: [] }, 'ports is empty'],
    [
      'a port name twice',
      {
        ports: [
          { name: 'a', port: 1 },
          { name: 'a', port: 2 },
        ],
      },
      '"a" twice',
    ],
    [
      'a port twice',
      {
        ports: [{ name: 'a', port: 1 }],
        containers: [
          { name: 'b', image: 'b', resources: { cpu: 1, memory: '1Gi' }, ports: [{ name: 'b', port: 1 }] },
        ],
      },
      '1/TCP twice',
    ],
    ['a port out of range', { ports: [{ name: 'a', port: 70_000 }] }, 'from 1 to 65535'],
    ['a port name that is none', { ports: [{ name: '80', port: 80 }] }, 'up to 15'],
    [
      'a probe of an unknown port',
      { readinessProbe: { tcpSocket: { port: 'web' } } },
      'readinessProbe has port "web"',
    ],
    [
      'two probes',
      { readinessProbe: { tcpSocket: { port: 1 }, httpGet: { path: '/', port: 1 } } },
      'write one of them',
    ],
    ['a capability that is not allowed', { capabilities: ['SYS_ADMIN'] }, 'write only AUDIT_WRITE'],
    [
      'a capability under restricted',
      { capabilities: ['CHOWN'], podSecurity: 'restricted' },
      'write only NET_BIND_SERVICE',
    ],
    [
      'a variable twice',
      {
        env: [
          { name: 'A', value: '1' },
          { name: 'A', value: '2' },
        ],
      },
      '"A" twice',
    ],
    ['an exposure', { exposure: { type: 'Ingress', port: 'shell' } }, 'exposure.port "shell" is no port'],
    ['a placement', { placement: 'Instance' }, 'placement Instance is not allowed here; write Shared'],
    ['a date without zone', { availableUntil: '2026-11-28' }, 'availableUntil is no date'],
    [
      'the metadata address',
      { networkProfile: 'egress-allowlist', egressAllowlist: [{ cidr: '169.254.169.254/32' }] },
      'remove it',
    ],
    [
      'a foreign except',
      {
        networkProfile: 'egress-allowlist',
        egressAllowlist: [{ cidr: '10.0.0.0/8', except: ['11.0.0.0/8'] }],
      },
      'no part of 10.0.0.0/8',
    ],
    [
      'an empty list of ports',
      { networkProfile: 'egress-allowlist', egressAllowlist: [{ cidr: '10.0.0.0/8', ports: [] }] },
      'leave it out for every port',
    ],
    ['a list without its profile', { egressAllowlist: [{ cidr: '10.0.0.0/8' }] }, 'has no effect'],
  ])('with %s is refused, and the message says what to write', (_, spec, sentence) => {
    const refused = problemOf(spec)
    expect(refused).toMatchObject({ reason: 'TemplateInvalid' })
    expect(refused?.message).toContain(sentence)
  })

  test.each([
    [{ cidr: '0.0.0.0/0' }],
    [{ cidr: '0.0.0.0/0', except: ['169.254.0.0/16'] }],
    [{ cidr: '::/0', except: ['fe80::/10'] }],
    [{ cidr: '10.0.0.0/8' }],
    [{ cidr: '192.168.7.0/24' }],
  ])('may allow %j', rule => {
    expect(problemOf({ networkProfile: 'egress-allowlist', egressAllowlist: [rule] })).toBeUndefined()
  })

  test("with the cluster's own ranges is refused", () => {
    const result = desired({
      template: template({
        networkProfile: 'egress-allowlist',
        egressAllowlist: [{ cidr: '10.96.0.10/32' }],
      }),
      config: { ...config, clusterCidrs: ['10.96.0.0/12'] },
    })
    expect(result).toMatchObject({
      reason: 'TemplateInvalid',
      message: expect.stringContaining('10.96.0.0/12'),
    })
  })

  test('with several problems is refused with all of them in one message of limited length', () => {
    const many = problemOf({ image: '', ports: [], resources: { cpu: 'x', memory: 'y' } })
    for (const part of ['image', 'ports', 'cpu', 'memory']) expect(many?.message).toContain(part)
    const endless = Array.from({ length: 32 }, () => ({ cidr: 'x'.repeat(500) }))
    expect(
      problemOf({ networkProfile: 'egress-allowlist', egressAllowlist: endless })?.message.length,
    ).toBeLessThan(900)
  })
})

describe('the name of an instance', () => {
  test.each(['a', 'x'.repeat(63), 'a-1'])('may be %s', name => {
    expect(desired({ instance: instance({}, name) })).not.toHaveProperty('reason')
  })

  test.each(['x'.repeat(64), '1a', 'a.b', 'A', 'a-', ''])('may not be %j', name => {
    expect(desired({ instance: instance({}, name) })).toMatchObject({ reason: 'NameInvalid' })
  })

  test('may not be the name of another container', () => {
    const containers = [{ name: 'db', image: 'db', resources: { cpu: 1, memory: '1Gi' } }]
    const result = desired({ instance: instance({}, 'db'), template: template({ containers }) })
    expect(result).toMatchObject({ reason: 'NameInvalid' })
  })
})
