import { describe, expect, it } from 'vitest'
import type { ChallengeInstanceStatus } from '../../../lib/crd/challenge-instance.ts'
import { revisionName } from '../../../lib/desired/template-revision.ts'
import { configurationText } from '../../../lib/observed/configuration.ts'
import { type FlagInputs, flagMismatches, flagSecretOf } from '../../../lib/sweep/flags.ts'
import { type SweptInstance, sweptInstance } from '../../../lib/sweep/swept-instance.ts'
import { storedInstance, storedTemplate } from '../../support/objects.ts'

const now = Date.parse('2026-11-21T09:00:00Z')
const secretRef = { name: 'flags', key: 'web' }
const template = storedTemplate({ spec: { flagStrategy: { type: 'static', secretRef } } })

interface Flag {
  keys?: string
  version?: string
  more?: ChallengeInstanceStatus
}

/** Instances that are Ready with these flags, `a0`, `a1` and so on. */
function instances(flags: Flag[], of = template): SweptInstance[] {
  return flags.map(({ keys = '0123456700000002', version, more }, index) =>
    sweptInstance(
      storedInstance({
        metadata: { name: `a${index}`, uid: `u${index}` },
        status: {
          phase: 'Ready',
          configuration: configurationText({ settings: 's', keys, served: false }),
          template: {
            uid: of.metadata.uid,
            generation: 1,
            hash: 'h',
            revision: revisionName(of),
            ...(version !== undefined && { flagVersion: version }),
          },
          ...more,
        },
      }),
    ),
  )
}

const times = (count: number, flag: Flag) => Array.from({ length: count }, () => flag)

function found(
  all: SweptInstance[],
  inputs: Partial<FlagInputs>,
  resync: boolean,
  { intervalSeconds = 15, sent = [] as string[] } = {},
) {
  const sentOfLate = (uid: string) => sent.includes(uid)
  const options = { resync, intervalSeconds, now, sentOfLate }
  const mismatches = flagMismatches(all, { keys: '0123456700000002', secrets: [], ...inputs }, options)
  expect(mismatches.filter(({ cause }) => cause !== 'changed')).toEqual([])
  return mismatches.map(({ key }) => key.name)
}

describe('flags that were made with other keys', () => {
  it('are found by a resync, two at first', () => {
    const all = instances(times(20, { keys: '0123456700000001' }))
    expect(found(all, {}, true)).toEqual(['a0', 'a1'])
  })

  it('are not found by other sweeps as long as no instance has the keys of the sweep', () => {
    expect(found(instances(times(20, { keys: '0123456700000001' })), {}, false)).toEqual([])
  })

  it('are found by every sweep from then on, as many as have the keys and are Ready', () => {
    const done = times(5, { keys: '0123456700000002' })
    const notReady = times(3, { keys: '0123456700000002', more: { phase: 'Provisioning' } })
    const all = instances([...done, ...notReady, ...times(20, { keys: '0123456700000001' })])
    expect(found(all, {}, false)).toHaveLength(5)
  })

  it('are at most ten a second', () => {
    const all = instances([
      ...times(500, { keys: '0123456700000002' }),
      ...times(500, { keys: '0123456700000001' }),
    ])
    expect(found(all, {}, false)).toHaveLength(150)
  })

  it('are not found again for a while, so that a sweep with other keys than reconcile sends few', () => {
    const all = instances([
      ...times(5, { keys: '0123456700000002' }),
      ...times(3, { keys: '0123456700000001' }),
    ])
    expect(found(all, {}, false, { sent: ['u5', 'u7'] })).toEqual(['a6'])
  })

  it('are not found where the instance has no flag, has no record, is paused or is being deleted', () => {
    const paused = { keys: '0123456700000001', more: { reason: 'Paused' as const } }
    const [deleting] = instances([{ keys: '0123456700000001' }])
    const all = [
      ...instances([{ keys: '-' }, paused]),
      { ...(deleting as SweptInstance), deletingSince: now },
      { ...(deleting as SweptInstance), keys: undefined },
    ]
    expect(found(all, {}, true)).toEqual([])
  })

  it('are not found where only FLAG_SECRET is another one: a flag that exists stays', () => {
    const all = instances([{ keys: '0123456700000002' }, ...times(3, { keys: '7654321000000002' })])
    expect(found(all, { keys: '0123456700000002' }, true)).toEqual([])
  })

  it('are not found by a sweep that has no keys', () => {
    expect(found(instances([{ keys: '0123456700000001' }]), { keys: undefined }, true)).toEqual([])
  })

  it('are looked at first where the instance does not serve, and by a resync only where it has a reason', () => {
    const crashing = { keys: '0123456700000001', more: { phase: 'Failed', reason: 'CrashLooping' } as const }
    const all = instances([
      { keys: '0123456700000002' },
      { keys: '0123456700000001' },
      { keys: '0123456700000001' },
      crashing,
    ])
    expect(found(all, {}, true)).toEqual(['a3', 'a1'])
    expect(found(all, {}, false)).toEqual(['a1', 'a2'])
  })
})

describe('flags from an earlier version of a Secret', () => {
  const present = (version: string | undefined) => ({ secrets: [{ template, version }] })

  it('are found by a resync that has read the present version', () => {
    const all = instances(times(5, { version: '99' }))
    expect(found(all, present('100'), true)).toEqual(['a0', 'a1'])
    expect(found(all, present('99'), true)).toEqual([])
  })

  it('are found by every sweep when an instance of the template has a newer one', () => {
    const all = instances([{ version: '100' }, ...times(4, { version: '99' })])
    expect(found(all, {}, false)).toEqual(['a1', 'a2'])
    expect(found(instances(times(5, { version: '100' })), {}, false)).toEqual([])
  })

  it('are found by every sweep also where no flag depends on a key', () => {
    const all = instances([{ keys: '-', version: '100' }, ...times(4, { keys: '-', version: '99' })])
    expect(found(all, { keys: undefined }, false)).toEqual(['a1', 'a2'])
  })

  it('are found also where the version went back with a restored cluster', () => {
    expect(found(instances([{ version: '100' }]), present('99'), true)).toEqual(['a0'])
  })

  it('are not found where the Secret is gone, where none was read, or where another template is in use', () => {
    expect(found(instances([{ version: '99' }]), present(undefined), true)).toEqual([])
    expect(found(instances([{}]), present('100'), true)).toEqual([])
    const earlier = storedTemplate({ ...template, metadata: { generation: 7 } })
    expect(found(instances([{ version: '99' }], earlier), present('100'), true)).toEqual([])
  })
})

describe('flagSecretOf', () => {
  it('returns the Secret that a template names', () => {
    expect(flagSecretOf(template)).toMatchObject({ kind: 'Secret', namespace: 'ctf', name: 'flags' })
    expect(flagSecretOf(storedTemplate())).toBeUndefined()
    const odd = { type: 'static', secretRef: { name: 'flags,metadata.name=x', key: 'web' } } as const
    expect(flagSecretOf(storedTemplate({ spec: { flagStrategy: odd } }))).toBeUndefined()
  })
})
