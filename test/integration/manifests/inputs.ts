import { dateAdvice } from '../../../lib/lifetime.ts'
import { wrongCpus, wrongMemories } from '../../unit/desired/wrong-quantities.ts'

/** A template and an instance that the API server accepts, and changes of them with its answers. */

export const templateSpec = { image: 'registry.example.com/a:1', resources: { cpu: '100m', memory: '64Mi' } }
export const instanceSpec = { templateRef: 'web', owner: { teamId: 1, eventId: 1 } }

type Change = Record<string, unknown>

const long = 'x'.repeat(2000)
const port = (name: string, number: number, protocol = 'TCP') => ({ name, port: number, protocol })
const further = { name: 'db', image: 'registry.example.com/db:1', resources: templateSpec.resources }

/** Dates that the API server takes as `format: date-time`, and others that people write. */
const badDates = [
  '2026-11-28T18:00:00.1234567890Z',
  '2026-11-28T18:00:00+25:00',
  '2026-02-30T18:00:00Z',
  '2026-11-28',
  '2026-11-28T18:00:00',
  'tomorrow',
]

const goodDates = ['2026-11-28t18:00:00z', '2028-02-29T18:00:00.5-11:30', '2026-11-28T18:00:00.123456789Z']

type BadTemplate = [what: string, message: string, change: Change]

export const badTemplates: BadTemplate[] = [
  ['no image', 'spec.image', { image: '' }],
  ['an endless image', 'may not be more than 1024', { image: long }],
  ['no resources', 'spec.resources: Required value', { resources: undefined }],
  ...wrongCpus.map(
    ([cpu, sentence]) => [`cpu: ${cpu}`, sentence, { resources: { cpu, memory: '64Mi' } }] as BadTemplate,
  ),
  ...wrongMemories.map(
    ([memory, sentence]) => [`memory: ${memory}`, sentence, { resources: { cpu: 1, memory } }] as BadTemplate,
  ),
  [
    'a further container with cpu: 500',
    '500m for half a core',
    { containers: [{ ...further, resources: { cpu: 500, memory: '64Mi' } }] },
  ],
  ['a disk of 1g', 'ephemeralStorage is "1g", which is no quantity; write 1Gi', { ephemeralStorage: '1g' }],
  ['cpu of nothing', 'spec.resources.cpu', { resources: { cpu: 0, memory: '64Mi' } }],
  ['cpu that is an object', 'spec.resources.cpu', { resources: { cpu: {}, memory: '64Mi' } }],
  ['cpu that is a list', 'spec.resources.cpu', { resources: { cpu: [1], memory: '64Mi' } }],
  ['an unknown profile', 'Unsupported value: "none"', { networkProfile: 'none' }],
  [
    'an allow list that another profile ignores',
    'write networkProfile: egress-allowlist',
    { networkProfile: 'open', egressAllowlist: [{ cidr: '203.0.113.0/24' }] },
  ],
  [
    'an allow list and no profile',
    'write networkProfile: egress-allowlist',
    { egressAllowlist: [{ cidr: '203.0.113.0/24' }] },
  ],
  [
    'an allow list of a name',
    'write for example 203.0.113.0/24',
    { networkProfile: 'egress-allowlist', egressAllowlist: [{ cidr: 'example.com' }] },
  ],
  [
    'an hmac flag without %s',
    'must have %s exactly once',
    { flagStrategy: { type: 'hmac-per-instance', format: 'flag{}' } },
  ],
  [
    'an hmac flag with two %s',
    'must have %s exactly once',
    { flagStrategy: { type: 'hmac-per-instance', format: '%s%s' } },
  ],
  ['a static flag of nothing', 'write secretRef', { flagStrategy: { type: 'static' } }],
  ['a static flag of blanks', 'write secretRef', { flagStrategy: { type: 'static', format: '  ' } }],
  [
    'a flag in no variable',
    'spec.flagStrategy.envName',
    { flagStrategy: { type: 'hmac-per-instance', envName: 'A-B' } },
  ],
  ['a probe of nothing', 'exactly one of httpGet and tcpSocket', { readinessProbe: { periodSeconds: 2 } }],
  [
    'a probe of two things',
    'exactly one of httpGet and tcpSocket',
    { readinessProbe: { httpGet: { path: '/', port: 80 }, tcpSocket: { port: 80 } } },
  ],
  ['a probe of port 0', 'spec.readinessProbe.tcpSocket.port', { readinessProbe: { tcpSocket: { port: 0 } } }],
  ['an idle time of 3', 'write at least 5, or 0', { idleTimeoutMinutes: 3 }],
  ['a negative idle time', 'spec.idleTimeoutMinutes', { idleTimeoutMinutes: -1 }],
  ['an empty list of ports', 'spec.ports', { ports: [] }],
  ['two ports of a name', 'Duplicate value', { ports: [port('a', 1), port('a', 2)] }],
  ['two ports of a number', 'ports has a number twice', { ports: [port('a', 1), port('b', 1)] }],
  ['port 65536', 'spec.ports[0].port', { ports: [port('a', 65_536)] }],
  ['a port named in digits', 'at least one letter', { ports: [port('80', 80)] }],
  ['a port with two dashes', 'no two dashes in a row', { ports: [port('a--b', 80)] }],
  [
    'nine ports',
    'must have at most 8 items',
    { ports: Array.from({ length: 9 }, (_, i) => port(`p${i}`, i + 1)) },
  ],
  ['a life of nothing', 'spec.ttlMinutes', { ttlMinutes: 0 }],
  ['a limit of no instance', 'spec.maxInstances', { maxInstances: 0 }],
  ['a life of more than 30 days', 'spec.ttlMinutes', { ttlMinutes: 43_201 }],
  [
    'renewals shorter than the life',
    'maxTtlMinutes is less than ttlMinutes',
    { ttlMinutes: 60, maxTtlMinutes: 59 },
  ],
  [
    'an end before the beginning',
    'availableUntil is not after availableFrom',
    { availableFrom: '2026-11-28T18:00:00Z', availableUntil: '2026-11-28T19:00:00+02:00' },
  ],
  ...badDates.map((date): [string, string, Change] => [
    `opening at ${date}`,
    dateAdvice,
    { availableFrom: date },
  ]),
  ['closing on a plain date', dateAdvice, { availableUntil: '2026-11-28' }],
  [
    'an end before the beginning in lower case',
    'availableUntil is not after availableFrom',
    { availableFrom: '2026-11-28t18:00:00z', availableUntil: '2026-11-28T18:00:00.000000000Z' },
  ],
  ['a capability beyond baseline', 'Unsupported value: "SYS_ADMIN"', { capabilities: ['SYS_ADMIN'] }],
  [
    'a capability that restricted forbids',
    'NET_BIND_SERVICE only',
    { podSecurity: 'restricted', capabilities: ['CHOWN'] },
  ],
  [
    'a further container with such a capability',
    'NET_BIND_SERVICE only',
    { podSecurity: 'restricted', containers: [{ ...further, capabilities: ['KILL'] }] },
  ],
  [
    'a further container without a name',
    'spec.containers[0].name',
    { containers: [{ ...further, name: undefined }] },
  ],
  ['two further containers of a name', 'Duplicate value', { containers: [further, further] }],
  ['a further container’s bad probe', 'exactly one of', { containers: [{ ...further, readinessProbe: {} }] }],
  [
    'one variable twice',
    'Duplicate value',
    {
      env: [
        { name: 'A', value: '1' },
        { name: 'A', value: '2' },
      ],
    },
  ],
  ['a variable that is a number', 'spec.env[0].value', { env: [{ name: 'A', value: 1 }] }],
  ['a list as envSchema', 'spec.envSchema', { envSchema: [] }],
  ['an exposure of its own kind', 'Unsupported value: "Tunnel"', { exposure: { type: 'Tunnel' } }],
]

export const goodTemplates: [what: string, change: Change][] = [
  ['the least', {}],
  ['cores as a fraction', { resources: { cpu: 0.5, memory: '64Mi' } }],
  ['cores as a number, bytes as a number', { resources: { cpu: 2, memory: 134_217_728 } }],
  ['the most cores', { resources: { cpu: '64000m', memory: '64Mi' } }],
  ['quantities with an exponent', { resources: { cpu: '1e-1', memory: '1e9' } }],
  ['a probe of a port as a word', { readinessProbe: { httpGet: { path: '/', port: '8080' } } }],
  [
    'a probe of a port as a number',
    { readinessProbe: { tcpSocket: { port: 8080 }, initialDelaySeconds: 0 } },
  ],
  ['no idle time', { idleTimeoutMinutes: 0 }],
  ['the shortest idle time', { idleTimeoutMinutes: 5 }],
  ['a number for TCP and UDP', { ports: [port('dns', 53), port('dns-udp', 53, 'UDP')] }],
  ['a flag’s own %d and 100 %', { flagStrategy: { type: 'hmac-per-instance', format: '100%{%d %s}' } }],
  ['a static flag with a %s', { flagStrategy: { type: 'static', format: 'flag{%s%s}' } }],
  ['a static flag in a Secret', { flagStrategy: { type: 'static', secretRef: { name: 'a', key: 'b' } } }],
  ['an empty allow list', { egressAllowlist: [] }],
  [
    'an allow list of both families',
    {
      networkProfile: 'egress-allowlist',
      egressAllowlist: [{ cidr: '2001:db8::/32' }, { cidr: '203.0.113.0/24', except: ['203.0.113.1/32'] }],
    },
  ],
  ['a life of 30 days', { ttlMinutes: 43_200, maxTtlMinutes: 43_200 }],
  [
    'an envSchema of any words',
    { envSchema: { type: 'object', properties: { A: { anyOf: [{}], 'x-y': 1 } } } },
  ],
  ['a further container', { containers: [{ ...further, ports: [port('db', 5432)] }] }],
  ['what restricted allows', { podSecurity: 'restricted', capabilities: ['NET_BIND_SERVICE'] }],
  ...goodDates.map((date): [string, Change] => [
    `opening at ${date}`,
    { availableFrom: date, availableUntil: '2099-01-01T00:00:00Z' },
  ]),
  ['unicode', { env: [{ name: 'GREETING', value: 'Grüße 👋\u0000' }] }],
]

export const badInstances: [what: string, message: string, change: Change][] = [
  ['no template', 'spec.templateRef', { templateRef: '' }],
  ['no owner', 'spec.owner: Required value', { owner: undefined }],
  ['a team below 0', 'spec.owner.teamId', { owner: { teamId: -1, eventId: 1 } }],
  ['event 0', 'spec.owner.eventId', { owner: { teamId: 1, eventId: 0 } }],
  ['a team in words', 'spec.owner.teamId', { owner: { teamId: '1', eventId: 1 } }],
  ['a team beyond what a double holds', 'spec.owner.teamId', { owner: { teamId: 2 ** 53, eventId: 1 } }],
  ...badDates.map((date): [string, string, Change] => [`an end at ${date}`, dateAdvice, { expiresAt: date }]),
  ['notes of 32 KB and their name', 'more than 32768 characters', { annotations: { a: 'x'.repeat(32_768) } }],
  [
    'many notes of together more than 32 KB',
    'more than 32768 characters',
    {
      annotations: Object.fromEntries(Array.from({ length: 200 }, (_, i) => [`note-${i}`, 'x'.repeat(160)])),
    },
  ],
  ['a value that is a number', 'spec.env.A', { env: { A: 1 } }],
  ['a value of 2 KB', 'spec.env.A', { env: { A: long } }],
  [
    '65 values',
    'must have at most 64',
    { env: Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`A${i}`, ''])) },
  ],
]

export const goodInstances: [what: string, change: Change][] = [
  ['the least', {}],
  ['team 0, which is nobody in particular', { owner: { teamId: 0, eventId: 1 } }],
  ...goodDates.map((date): [string, Change] => [`an end at ${date}`, { expiresAt: date }]),
  ['notes of 32 KB', { annotations: { a: 'x'.repeat(32_767) } }],
  ['notes in characters of four bytes', { annotations: { a: '👋'.repeat(32_767) } }],
]
