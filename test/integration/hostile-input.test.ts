import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ChallengeInstance } from '../../lib/crd/challenge-instance.ts'
import { apiVersion } from '../../lib/crd/group.ts'
import type { Deployment, KubernetesObject, Secret, Service } from '../../lib/crd/objects.ts'
import { instanceCalled, rowsOf, untilConsistent } from '../support/consistency.ts'
import { type CountedQueues, startCountedQueues } from '../support/counted-queues.ts'
import { create, edit, messageOf, remove } from '../support/edits.ts'
import { instanceOf, templateOf } from '../support/objects.ts'
import {
  eventually,
  flagSecret,
  pepper,
  phaseOf,
  referenceTo,
  startTestOperator,
  type TestOperator,
} from '../support/operator.ts'
import { policyOf } from '../support/policies.ts'
import { type RecordedLog, recordedLog } from '../support/recorded-log.ts'
import { testQueues } from '../support/shared-parts.ts'

const staticFlag = 'flag{nobody-may-read-this}'
const image = (tag: string) => `registry.example.com/ctf/web:${tag}`

let operator: TestOperator
let counted: CountedQueues
let recorded: RecordedLog
let neighbour: ChallengeInstance

/** The spec of each instance's template. All instances are created at once, beside a healthy neighbour. */
const hostile = {
  evil: { envSchema: { properties: { A: { type: 'string', pattern: '^(a+)+$' } } } },
  lookahead: { envSchema: { properties: { A: { pattern: '^(?=a)a$' } } } },
  remote: { envSchema: { $ref: 'https://example.com/schema.json' } },
  large: { envSchema: { description: 'x'.repeat(1_000_000) } },
  overflow: { resources: { cpu: '1', memory: '9e99' } },
  'not-a-port': { readinessProbe: { httpGet: { path: '/', port: 'web' } } },
  metadata: { networkProfile: 'egress-allowlist', egressAllowlist: [{ cidr: '169.254.0.0/16' }] },
  'an-image': { image: 'Not An Image!' },
  static: { flagStrategy: { type: 'static', format: staticFlag } },
  hmac: { flagStrategy: { type: 'hmac-per-instance' } },
  ports: {
    ports: Array.from({ length: 8 }, (_, index) => ({
      name: `p${index}`,
      port: 7_000 + (index >> 1),
      protocol: index % 2 ? 'UDP' : 'TCP',
    })),
  },
  month: { ttlMinutes: 43_200, maxTtlMinutes: 43_200 },
} as const

const aaa = { env: { A: `${'a'.repeat(1_000)}!` } }

beforeAll(async () => {
  counted = await startCountedQueues(await testQueues())
  recorded = recordedLog()
  const challenges = ['web', 'twice', 'again', ...Object.keys(hostile)]
  operator = await startTestOperator({ log: recorded.log, queues: counted.queues, challenges })
  const { namespace } = operator
  await make(templateOf(namespace, 'web'))
  await make(instanceOf(namespace, 'neighbour', 'web', 1))
  await untilConsistent(operator, 'neighbour', 'Ready')
  neighbour = (await instanceCalled(operator, 'neighbour')) as ChallengeInstance
  for (const [name, spec] of Object.entries(hostile)) {
    await make(templateOf(namespace, name, spec as never))
    const more = ['evil', 'lookahead', 'remote', 'large'].includes(name) ? aaa : {}
    await make(instanceOf(namespace, `of-${name}`, name, 7, more))
  }
})
afterAll(async () => {
  await operator?.stop()
  await counted?.stop()
})

async function make(object: KubernetesObject): Promise<void> {
  const response = await create(operator, object)
  expect([response.status, messageOf(response)]).toEqual([201, ''])
}

async function stalled(name: string, reason: string, words: string): Promise<void> {
  const { status } = await phaseOf(operator, name, 'Failed', reason)
  expect(status?.message).toContain(words)
  expect(status?.conditions).toContainEqual(
    expect.objectContaining({ type: 'Stalled', status: 'True', reason }),
  )
  expect(status?.children).toEqual([])
}

describe('a template that cannot be used', () => {
  test.each([
    ['lookahead', '"lookahead"', 'cannot be checked in linear time'],
    ['remote', '"remote"', '$ref "https://example.com/schema.json" leads out of it'],
    ['large', '"large"', ''],
    ['overflow', 'resources.memory is "9e99", which is more than any machine has', 'write for example 128Mi'],
    ['not-a-port', 'readinessProbe has port "web"', 'write a number'],
    ['metadata', '169.254', ''],
  ])('%s stalls its instance, and the message names the problem', async (name, words, advice) => {
    await stalled(`of-${name}`, 'TemplateInvalid', words)
    const { status } = (await instanceCalled(operator, `of-${name}`)) as ChallengeInstance
    expect(status?.message).toContain(advice)
    expect(status?.message?.length).toBeLessThan(1_000)
  })

  test('a pattern on which JavaScript backtracks for ages refuses the value at once', async () => {
    await stalled('of-evil', 'EnvInvalid', 'has a A that the template refuses')
  })

  test('an invalid image name reaches the Deployment, because the kubelet judges it', async () => {
    await eventually<Deployment>(operator, 'Deployment', 'of-an-image', each => each !== undefined)
  })
})

describe('unusual but valid input', () => {
  test('names of 63 characters, and names that are equal in their first 23 characters, become Ready', async () => {
    const names = ['n'.repeat(63), `${'t'.repeat(23)}-one`, `${'t'.repeat(23)}-two`]
    for (const name of names) await make(instanceOf(operator.namespace, name, 'web', 2))
    for (const name of names) {
      await untilConsistent(operator, name, 'Ready')
      const service = await operator.cluster.get<Service>(
        referenceTo(operator, 'Service', name),
        operator.signal,
      )
      expect(service?.spec.selector?.app).toBe(name)
    }
  })

  test('a template whose name is longer than a label and a slug serves, and is unknown to the platform', async () => {
    const name = `${'long.'.repeat(50)}end`
    await make(templateOf(operator.namespace, name))
    await make(instanceOf(operator.namespace, 'of-long', name))
    const { status } = await phaseOf(operator, 'of-long', 'Ready')
    expect(status?.conditions).toContainEqual(
      expect.objectContaining({ type: 'Synced', status: 'False', reason: 'ChallengeUnknown' }),
    )
  })

  test('eight ports, with TCP and UDP on the same numbers, become endpoints', async () => {
    const { status } = await phaseOf(operator, 'of-ports', 'Ready')
    expect(status?.endpoints?.map(({ port }) => port)).toEqual([
      7000, 7000, 7001, 7001, 7002, 7002, 7003, 7003,
    ])
  })

  test('a life of thirty days, longer than a Node timer, ends when it should', async () => {
    const { status, metadata } = await phaseOf(operator, 'of-month', 'Ready')
    const life = Date.parse(status?.expiresAt ?? '') - Date.parse(metadata.creationTimestamp ?? '')
    expect(life).toBe(43_200 * 60_000)
  })

  test.each([
    ['ends-never', '9999-12-31T23:59:59Z', '9999-12-31T23:59:59Z'],
    ['ends-in-a-leap-day', '2096-02-29T12:00:00.5+01:00', '2096-02-29T11:00:00.500Z'],
    ['ends-late', '2300-01-01T00:00:00-12:00', '2300-01-01T12:00:00Z'],
  ])('a date far away is shown in UTC: %s', async (name, expiresAt, said) => {
    await make(instanceOf(operator.namespace, name, 'web', 3, { expiresAt }))
    const { status } = await phaseOf(operator, name, 'Ready')
    expect(status?.expiresAt).toBe(said)
  })

  test('an instance that ends before its creation is deleted', async () => {
    await make(instanceOf(operator.namespace, 'ended', 'web', 3, { expiresAt: '0001-01-01T00:00:00Z' }))
    await untilConsistent(operator, 'ended', 'gone')
  })

  test('all of Unicode is kept in values and notes', async () => {
    const odd = 'Grüße 👩‍👩‍👧 \u202e אבג \uffff $(HOME) $$ %s \\ "\' \u0001\t\n'
    const annotations = { '💥': odd, nul: 'a\0b', half: 'a\ud800b', '': 'no name' }
    const object = instanceOf(operator.namespace, 'unicode', 'web', 3, { annotations, env: { ODD: odd } })
    object.metadata.annotations = { 'example.com/odd': odd }
    await make(object)
    await untilConsistent(operator, 'unicode', 'Ready')
    const deployment = await operator.cluster.get<Deployment>(
      referenceTo(operator, 'Deployment', 'unicode'),
      operator.signal,
    )
    const env = deployment?.spec.template.spec.containers[0]?.env
    // Kubernetes makes one $ of two.
    expect(env).toContainEqual({ name: 'ODD', value: odd.replaceAll('$', '$$$$') })
    const [row] = await rowsOf(operator, 'unicode')
    expect(row?.notes).toEqual({ '💥': odd, nul: 'ab', half: 'a\ufffdb', '': 'no name' })
  })

  test('notes at their bound are stored, and a megabyte of notes is refused', async () => {
    const notes = (value: string) =>
      Object.fromEntries(Array.from({ length: 16 }, (_, index) => [`k${index.toString(16)}`, value]))
    const heaviest = { annotations: notes('x'.repeat(2_046)) }
    await make(instanceOf(operator.namespace, 'heavy', 'web', 3, heaviest))
    await untilConsistent(operator, 'heavy', 'Ready')
    await remove(operator, 'ChallengeInstance', 'heavy')
    await untilConsistent(operator, 'heavy', 'gone')
    const tooHeavy = { annotations: notes('x'.repeat(60_000)) }
    const refused = await create(operator, instanceOf(operator.namespace, 'too-heavy', 'web', 3, tooHeavy))
    expect(refused.status).toBe(422)
    expect(messageOf(refused)).toContain('annotations has more than 32768 characters')
  })

  test('thousands of labels and annotations stay off the children', async () => {
    const object = instanceOf(operator.namespace, 'adorned', 'web', 3)
    const many = Object.fromEntries(
      Array.from({ length: 4_000 }, (_, index) => [`example.com/k${index}`, `v${index}`]),
    )
    object.metadata = { ...object.metadata, labels: many, annotations: many }
    await make(object)
    await untilConsistent(operator, 'adorned', 'Ready')
    const deployment = await operator.cluster.get(
      referenceTo(operator, 'Deployment', 'adorned'),
      operator.signal,
    )
    expect(Object.keys(deployment?.metadata.labels ?? {}).length).toBeLessThan(20)
  })
})

describe('the API server', () => {
  const many = Object.fromEntries(Array.from({ length: 5_000 }, (_, index) => [`K${index}`, '']))

  test.each([
    ['1st', {}, 'a letter first'],
    ['a.b', {}, 'at most 63 lower-case letters, digits and dashes'],
    ['a'.repeat(64), {}, 'at most 63'],
    ['many-notes', { annotations: many }, 'must have at most 256'],
    ['many-variables', { env: many }, 'must have at most 64'],
    ['no-such-day', { expiresAt: '2026-02-30T00:00:00Z' }, 'spec.expiresAt'],
  ])('refuses %s', async (name, more, words) => {
    const response = await create(operator, instanceOf(operator.namespace, name, 'web', 3, more))
    expect([response.status, messageOf(response)]).toEqual([422, expect.stringContaining(words)])
  })

  test('drops fields that no template has', async () => {
    const template = templateOf(operator.namespace, 'sly') as { spec: object }
    Object.assign(template.spec, {
      privileged: true,
      hostNetwork: true,
      volumes: [{ hostPath: { path: '/' } }],
    })
    await make(template as never)
    await make(instanceOf(operator.namespace, 'sly', 'sly', 3))
    await phaseOf(operator, 'sly', 'Ready')
    const deployment = await operator.cluster.get<Deployment>(
      referenceTo(operator, 'Deployment', 'sly'),
      operator.signal,
    )
    expect(JSON.stringify(deployment?.spec)).not.toMatch(/hostNetwork|hostPath|"privileged":true/)
  })
})

describe('values that no container can have', () => {
  test.each([
    ['nul', { A: 'a\0b' }, 'NUL character in A'],
    ['a-name', { 'A-B': '1' }, 'has the name "A-B"'],
    ['proto', JSON.parse('{"__proto__": "1"}'), '__proto__'],
  ])('%s: stalls the instance, which becomes Ready once the value is corrected', async (what, env, words) => {
    const name = `odd-${what}`
    await make(instanceOf(operator.namespace, name, 'web', 3, { env }))
    await stalled(name, 'EnvInvalid', words)
    await edit(operator, 'ChallengeInstance', name, { spec: { env: null } })
    await phaseOf(operator, name, 'Ready')
  })
})

describe('a template that changes quickly', () => {
  test('reaches the workload as it was edited last', async () => {
    await make(templateOf(operator.namespace, 'twice'))
    await make(instanceOf(operator.namespace, 'of-twice', 'twice', 3))
    await untilConsistent(operator, 'of-twice', 'Ready')
    for (const tag of ['2', '3', '4'])
      await edit(operator, 'ChallengeTemplate', 'twice', { spec: { image: image(tag) } })
    await eventually<Deployment>(operator, 'Deployment', 'of-twice', hasImage('4'))
    await untilConsistent(operator, 'of-twice', 'Ready')
  })

  test('reaches the workload after it was deleted and created again', async () => {
    await make(templateOf(operator.namespace, 'again'))
    await make(instanceOf(operator.namespace, 'of-again', 'again', 3))
    await untilConsistent(operator, 'of-again', 'Ready')
    await remove(operator, 'ChallengeTemplate', 'again')
    await make(templateOf(operator.namespace, 'again', { image: image('2') }))
    await eventually<Deployment>(operator, 'Deployment', 'of-again', hasImage('2'))
    await untilConsistent(operator, 'of-again', 'Ready')
  })

  function hasImage(tag: string) {
    return (each: Deployment | undefined) => each?.spec.template.spec.containers[0]?.image === image(tag)
  }
})

describe('hostile input', () => {
  test('shows no flag outside of its Secret', async () => {
    const flags = [staticFlag, flagSecret]
    for (const name of ['of-static', 'of-hmac']) {
      await phaseOf(operator, name, 'Ready')
      const secret = await operator.cluster.get<Secret>(
        referenceTo(operator, 'Secret', name),
        operator.signal,
      )
      const [value = ''] = Object.values(secret?.data ?? {})
      flags.push(value, Buffer.from(value, 'base64').toString())
    }
    const kinds = ['ChallengeInstance', 'Deployment', 'Service']
    const objects = ['of-static', 'of-hmac'].flatMap(name => [
      policyOf(operator, name),
      ...kinds.map(kind => operator.cluster.get(referenceTo(operator, kind, name), operator.signal)),
    ])
    const ours = await operator.database.selectFrom('challenge_operator.instance').selectAll().execute()
    const outbox = await operator.database.selectFrom('challenge_operator.outbox').selectAll().execute()
    const seen = JSON.stringify([await Promise.all(objects), ours, outbox, counted.sent, recorded.lines])
    expect(flags.filter(flag => flag.length < 20 || seen.includes(flag))).toEqual([])
    expect(JSON.stringify([counted.sent, recorded.lines])).not.toContain(pepper)
  })

  test('causes no error, no dead letter and no endless passes', async () => {
    expect(recorded.lines.filter(line => line.level === 'error')).toEqual([])
    expect(counted.sent.filter(each => each.queue === 'dead letters')).toEqual([])
    const names = new Set(recorded.lines.map(line => String(line.fields.name ?? '')))
    expect(names.size).toBeGreaterThan(Object.keys(hostile).length)
    expect([...names].filter(name => recorded.passesOf(name).length > 8)).toEqual([])
  })

  test('leaves the neighbour unchanged', async () => {
    expect(await instanceCalled(operator, 'neighbour')).toEqual(neighbour)
    expect(neighbour.apiVersion).toBe(apiVersion)
  })
})
