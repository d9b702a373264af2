import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { labels } from '../../lib/crd/group.ts'
import type { Deployment, Secret } from '../../lib/crd/objects.ts'
import { flagKey } from '../../lib/desired/objects/secret.ts'
import { instanceCalled, rowsOf } from '../support/consistency.ts'
import { create, edit } from '../support/edits.ts'
import { instanceOf, templateOf } from '../support/objects.ts'
import { phaseOf, referenceTo, startTestOperator, type TestOperator } from '../support/operator.ts'
import { type RecordedLog, recordedLog } from '../support/recorded-log.ts'

const value = 'flag{of-the-author}'
const names = ['victim', 'stolen', 'token', 'certificate', 'unlabelled', 'labelled']

let operator: TestOperator
let recorded: RecordedLog
beforeAll(async () => {
  recorded = recordedLog()
  const teams = names.map((_, index) => index + 1)
  const env = { OPERATOR_FLAG_SECRETS: 'labelled' }
  operator = await startTestOperator({ challenges: names, teams, env, log: recorded.log })
})
afterAll(() => operator?.stop())

const secret = (name: string, type: string, own: Record<string, string>, key = 'web') => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name, labels: own },
  type,
  stringData: { [key]: value, ...(type.endsWith('tls') ? { 'tls.crt': '', 'tls.key': '' } : {}) },
})

/** Starts an instance of a template that takes its flag from this Secret, both with this name. */
async function started(name: string, from: { name: string; key: string }): Promise<void> {
  const { namespace } = operator
  await create(operator, templateOf(namespace, name, { flagStrategy: { type: 'static', secretRef: from } }))
  await create(operator, instanceOf(namespace, name, name, names.indexOf(name) + 1))
}

async function flagOf(name: string): Promise<string | undefined> {
  const found = await operator.cluster.get<Secret>(referenceTo(operator, 'Secret', name), operator.signal)
  return found && Buffer.from(found.data?.[flagKey] ?? '', 'base64').toString('utf8')
}

const forChallenges = { [labels.forChallenges]: 'true' }

describe('a template that takes its flag from a Secret', () => {
  it("gets no other instance's flag", async () => {
    const { namespace } = operator
    await create(operator, templateOf(namespace, 'victim', { flagStrategy: { type: 'hmac-per-instance' } }))
    await create(operator, instanceOf(namespace, 'victim', 'victim', 1))
    await phaseOf(operator, 'victim', 'Ready')
    const flag = (await flagOf('victim')) ?? ''
    expect(flag).toMatch(/^flag\{[0-9a-f]{32}\}$/)
    await edit(operator, 'Secret', 'victim', { metadata: { labels: forChallenges } })
    await started('stolen', { name: 'victim', key: flagKey })
    const { status } = await phaseOf(operator, 'stolen', 'Pending', 'FlagSecretRefused')
    expect(status?.message).toContain('Secret "victim"')
    expect(await flagOf('stolen')).toBeUndefined()
    const deployment = referenceTo(operator, 'Deployment', 'stolen')
    expect(await operator.cluster.get<Deployment>(deployment, operator.signal)).toBeUndefined()
    const told = JSON.stringify([status, await rowsOf(operator, 'stolen'), recorded.lines])
    expect(told).not.toContain(flag)
  })

  it.each([
    ['token', 'example.com/token'],
    ['certificate', 'kubernetes.io/tls'],
  ])('gets nothing of a Secret with another type (%s)', async (name, type) => {
    await create(operator, secret(`${name}-of-another`, type, forChallenges))
    await started(name, { name: `${name}-of-another`, key: 'web' })
    const { status } = await phaseOf(operator, name, 'Pending', 'FlagSecretRefused')
    expect(status?.message).toContain(type)
    expect(await flagOf(name)).toBeUndefined()
  })

  it('gets the flag as soon as a pass looks at an instance whose Secret was labelled', async () => {
    await create(operator, secret('unlabelled-flags', 'Opaque', {}))
    await started('unlabelled', { name: 'unlabelled-flags', key: 'web' })
    await phaseOf(operator, 'unlabelled', 'Pending', 'FlagSecretRefused')
    await edit(operator, 'Secret', 'unlabelled-flags', { metadata: { labels: forChallenges } })
    const annotations = { 'infra.ctf.example.com/force-sync': 'now' }
    await edit(operator, 'ChallengeInstance', 'unlabelled', { metadata: { annotations } })
    await phaseOf(operator, 'unlabelled', 'Ready')
    expect(await flagOf('unlabelled')).toBe(value)
  })

  it('gets the flag of a Secret with type and label', async () => {
    await create(operator, secret('labelled-flags', 'Opaque', forChallenges))
    await started('labelled', { name: 'labelled-flags', key: 'web' })
    await phaseOf(operator, 'labelled', 'Ready')
    expect(await flagOf('labelled')).toBe(value)
    expect((await instanceCalled(operator, 'labelled'))?.status?.reason).toBeUndefined()
  })
})
