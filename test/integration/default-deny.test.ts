import { afterAll, beforeAll, describe, expect, it, test } from 'vitest'
import { annotations, defaultDenyName, labels } from '../../lib/crd/group.ts'
import type { NetworkPolicy } from '../../lib/crd/objects.ts'
import { defaultDeny } from '../../lib/desired/objects/default-deny.ts'
import { policyDigest } from '../../lib/observed/policy-digest.ts'
import { untilConsistent } from '../support/consistency.ts'
import { create, edit, remove } from '../support/edits.ts'
import { type FaultyOperator, startFaultyOperator } from '../support/faulty-operator.ts'
import { instanceOf, templateOf } from '../support/objects.ts'
import { eventually, phaseOf } from '../support/operator.ts'
import { type RecordedLog, recordedLog } from '../support/recorded-log.ts'

let operator: FaultyOperator
let forwarder: { stop(): Promise<void> }
let recorded: RecordedLog

/** This operator sweeps only when the test says so. */
beforeAll(async () => {
  recorded = recordedLog()
  operator = await startFaultyOperator({ log: recorded.log, forwarder: false })
  forwarder = operator.startForwarder()
  await create(operator, templateOf(operator.namespace, 'web'))
  await create(operator, instanceOf(operator.namespace, 'guarded', 'web'))
  await untilConsistent(operator, 'guarded', 'Ready')
})
afterAll(() => operator?.stop())

const isIntact = (policy: NetworkPolicy | undefined) =>
  policy !== undefined && policyDigest(policy) === policyDigest(defaultDeny(operator.namespace))
const untilIntact = () => eventually<NetworkPolicy>(operator, 'NetworkPolicy', defaultDenyName, isIntact)
const change = (body: object) => edit(operator, 'NetworkPolicy', defaultDenyName, body)
const open = { spec: { ingress: [{}], egress: [{}] } }

test('the default-deny policy is recognized as it was made', untilIntact)

describe('the default-deny policy, a moment after it was ensured', () => {
  it('is put back when somebody opens it', async () => {
    expect((await change(open)).status).toBe(200)
    await untilIntact()
  })

  it('is put back when somebody deletes it', async () => {
    await remove(operator, 'NetworkPolicy', defaultDenyName)
    await untilIntact()
  })

  it('is put back when it is replaced by another one', async () => {
    await remove(operator, 'NetworkPolicy', defaultDenyName)
    const policy = defaultDeny(operator.namespace)
    await create(operator, { ...policy, ...open, spec: { ...policy.spec, ...open.spec } } as NetworkPolicy)
    await untilIntact()
  })

  it('is put back when it loses the label that the operator finds it by', async () => {
    await change({ metadata: { labels: { [labels.managedBy]: null } } })
    await untilIntact()
  })

  it('keeps what others write on its metadata', async () => {
    await change({ metadata: { annotations: { note: 'x' } } })
    await change(open)
    const policy = await untilIntact()
    expect(policy?.metadata.annotations).toEqual({ note: 'x' })
  })

  it('is put back by a pass of a paused instance too, which is left as it is otherwise', async () => {
    await edit(operator, 'ChallengeInstance', 'guarded', {
      metadata: { annotations: { [annotations.paused]: 'true' } },
    })
    await phaseOf(operator, 'guarded', 'Ready', 'Paused')
    await change(open)
    await untilIntact()
  })

  it('is logged when it was changed, with its namespace', () => {
    const lines = recorded.lines.filter(each => each.message === 'default-deny policy is not as it was made')
    expect(lines.length).toBeGreaterThanOrEqual(5)
    expect(new Set(lines.map(each => each.fields.namespace))).toEqual(new Set([operator.namespace]))
  })
})

describe('the default-deny policy, while no forwarder runs', () => {
  it.each([
    ['opened', () => change(open)],
    ['deleted', () => remove(operator, 'NetworkPolicy', defaultDenyName)],
  ])('is put back by a resync after somebody has %s it', async (_, act) => {
    await forwarder.stop()
    await act()
    await operator.sweep({ resync: false }, operator.signal)
    await operator.sweep({ resync: true }, operator.signal)
    await untilIntact()
  })
})
