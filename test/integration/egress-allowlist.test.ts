import { afterAll, beforeAll, expect, test } from 'vitest'
import type { ChallengeTemplate } from '../../lib/crd/challenge-template.ts'
import type { NetworkPolicy } from '../../lib/crd/objects.ts'
import { waitUntil } from '../../local/process/wait.ts'
import { untilConsistent } from '../support/consistency.ts'
import { edit } from '../support/edits.ts'
import { instanceOf, templateOf } from '../support/objects.ts'
import { referenceTo, startTestOperator, type TestOperator } from '../support/operator.ts'
import { policyNameOf, policyOf } from '../support/policies.ts'

let operator: TestOperator
beforeAll(async () => {
  operator = await startTestOperator({ challenges: ['wide'] })
})
afterAll(() => operator?.stop())

const exceptOf = (policy: NetworkPolicy | undefined) =>
  policy?.spec.egress?.flatMap(rule => rule.to?.flatMap(({ ipBlock }) => ipBlock?.except ?? []) ?? []) ?? []

async function untilMessage(holds: (message: string | undefined) => boolean): Promise<void> {
  const { cluster, signal } = operator
  const said = async () => {
    const found = await cluster.get<ChallengeTemplate>(
      referenceTo(operator, 'ChallengeTemplate', 'wide'),
      signal,
    )
    return found !== undefined && holds(found.status?.message)
  }
  await waitUntil('the message of the template', 20_000, said, signal)
}

test('an allowed range does not lead into the cluster, and the template says so as long as it is so', async () => {
  const { cluster, namespace, signal } = operator
  const spec = {
    networkProfile: 'egress-allowlist',
    egressAllowlist: [{ cidr: '0.0.0.0/0', except: ['169.254.0.0/16'] }],
  } as const
  await cluster.create(templateOf(namespace, 'wide', spec as never), signal)
  for (const name of ['one', 'two']) await cluster.create(instanceOf(namespace, name, 'wide', 1), signal)
  for (const name of ['one', 'two']) await untilConsistent(operator, name, 'Ready')

  const wide = await policyNameOf(operator, 'one')
  const closed = exceptOf(await policyOf(operator, 'one'))
  expect(closed).toEqual(expect.arrayContaining(['169.254.0.0/16', '10.0.0.0/8', '192.168.0.0/16']))
  await untilMessage(message => message?.includes('0.0.0.0/0 does not reach') === true)

  const narrow = { spec: { egressAllowlist: [{ cidr: '198.51.100.0/24' }] } }
  expect((await edit(operator, 'ChallengeTemplate', 'wide', narrow)).status).toBe(200)
  const narrowed = async () => {
    const policy = await policyOf(operator, 'two')
    return policy !== undefined && policy.metadata.name !== wide && exceptOf(policy).length === 0
  }
  await waitUntil('the narrow policy', 20_000, narrowed, signal)
  await untilMessage(message => message === undefined)
  for (const name of ['one', 'two']) await untilConsistent(operator, name, 'Ready')
})
