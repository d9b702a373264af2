import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type OperatorConfig, parseOperatorConfig } from '../../lib/config/operator.ts'
import type { Secret } from '../../lib/crd/objects.ts'
import { flagValue, platformFlagHash } from '../../lib/desired/flag/flag.ts'
import { flagKey } from '../../lib/desired/objects/secret.ts'
import { silentLog } from '../../lib/telemetry/log.ts'
import { composeOperator } from '../../local/lambda/compose.ts'
import { waitUntil } from '../../local/process/wait.ts'
import { instanceCalled, rowsOf } from '../support/consistency.ts'
import { create, edit } from '../support/edits.ts'
import { untilQueuesEmpty } from '../support/idle-queues.ts'
import { instanceOf, templateOf } from '../support/objects.ts'
import { flagSecret, phaseOf, referenceTo, type TestOperator } from '../support/operator.ts'
import { type OperatorParts, openOperatorParts } from '../support/operator-parts.ts'
import { policyOf } from '../support/policies.ts'
import { testQueues } from '../support/shared-parts.ts'
import { sweepOnce } from '../support/sweeping.ts'

const names = ['a', 'b', 'c', 'd', 'e']
/** A public range: private ones are never open. */
const cidr = '203.0.113.0/24'

let parts: OperatorParts
let operator: TestOperator
let queues: Awaited<ReturnType<typeof testQueues>>
let stopRun: () => Promise<void>

/** The operator's own sweeps come once an hour, so every repair follows from the forwarder or from a sweep of the test. */
const configured = (env: Record<string, string>) =>
  parseOperatorConfig({
    OPERATOR_NAMESPACE: parts.namespace,
    OPERATOR_INTERVAL: '3600',
    OPERATOR_RESYNC_MINUTES: '1440',
    FLAG_SECRET: flagSecret,
    ...env,
  })

/** Runs every function with this configuration, after those of the last one have ended. */
async function runWith(config: OperatorConfig): Promise<void> {
  await stopRun?.()
  const stopping = new AbortController()
  const composed = composeOperator(parts.addresses, config, silentLog)
  const done = composed.run(AbortSignal.any([parts.signal, stopping.signal]))
  stopRun = async () => {
    stopping.abort()
    await done
  }
}

beforeAll(async () => {
  // The functions that end may have received a message, which is hidden for that time.
  queues = await testQueues({ changesVisibility: 5, timersVisibility: 5 })
  const teams = names.map((_, index) => index + 1)
  parts = await openOperatorParts({ challenges: ['web', 'pwn'], teams, queues })
  operator = { ...parts, stop: () => parts.stop(stopRun()) }
  await runWith(configured({}))
  const flags = {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'flags' },
    stringData: { web: 'flag{1}' },
  }
  await create(operator, flags)
  const flagStrategy = { type: 'static', secretRef: { name: 'flags', key: 'web' } } as const
  await create(operator, templateOf(parts.namespace, 'web', { networkProfile: 'open', flagStrategy }))
  for (const [index, name] of names.entries())
    await create(operator, instanceOf(parts.namespace, name, 'web', index + 1))
  for (const name of names) await phaseOf(operator, name, 'Ready')
  await untilQueuesEmpty(queues, operator.signal)
})
afterAll(() => operator?.stop())

const each = <T>(of: (name: string) => Promise<T>) => Promise.all(names.map(of))
const statusOf = async (name: string) => (await instanceCalled(operator, name))?.status
const podsOf = () => each(async name => (await statusOf(name))?.podName)
const child = <T extends Secret>(kind: string, name: string) =>
  operator.cluster.get<T>(referenceTo(operator, kind, name), operator.signal)
const policies = () => each(async name => JSON.stringify((await policyOf(operator, name))?.spec))
const versions = () => each(async name => (await instanceCalled(operator, name))?.metadata.resourceVersion)
const flags = () =>
  each(async name =>
    Buffer.from((await child<Secret>('Secret', name))?.data?.[flagKey] ?? '', 'base64').toString('utf8'),
  )
const hashes = () => each(async name => (await rowsOf(operator, name))[0]?.flag_hmac)
const all = (values: unknown[], wanted: unknown) => values.every(value => value === wanted)

describe('a changed setting of policies', () => {
  it('reaches the policy that all share, wakes no instance and restarts no pod', async () => {
    const before = { pods: await podsOf(), versions: await versions() }
    expect((await policies()).some(policy => policy.includes(cidr))).toBe(false)
    await runWith(configured({ OPERATOR_CLUSTER_CIDRS: cidr }))
    const reached = async () => (await policies()).every(policy => policy.includes(cidr))
    await waitUntil('the range in every policy', 60_000, reached, operator.signal)
    await untilQueuesEmpty(queues, operator.signal)
    expect({ pods: await podsOf(), versions: await versions() }).toEqual(before)
  })

  it('is found by a resync too, where no forwarder has seen it', async () => {
    const config = configured({ OPERATOR_CLUSTER_CIDRS: `${cidr},198.51.100.0/24` })
    expect(await sweepOnce({ ...operator, config }, queues)).toMatchObject({ enqueued: 1 })
    await untilQueuesEmpty(queues, operator.signal)
  })
})

describe('a changed setting of pods', () => {
  const ofPods = { OPERATOR_CLUSTER_CIDRS: cidr, OPERATOR_DEFAULT_TTL_MINUTES: '1000' }

  it('reaches every instance that runs, and restarts none if its pod is the same', async () => {
    const pods = await podsOf()
    await runWith(configured(ofPods))
    const ends = () => each(async name => (await statusOf(name))?.expiresAt)
    const reached = async () => (await ends()).every(end => end !== undefined)
    await waitUntil('the end of every instance', 60_000, reached, operator.signal)
    await untilQueuesEmpty(queues, operator.signal)
    const records = await each(async name => (await statusOf(name))?.configuration)
    expect(new Set(records).size).toBe(1)
    expect(await podsOf()).toEqual(pods)
  })

  it('wakes nobody after that', async () => {
    const before = await versions()
    await runWith(configured({ ...ofPods, OPERATOR_LOG_LEVEL: 'debug' }))
    const config = configured(ofPods)
    expect(await sweepOnce({ ...operator, config }, queues)).toMatchObject({ enqueued: 0 })
    await untilQueuesEmpty(queues, operator.signal)
    expect(await versions()).toEqual(before)
  })
})

/** Sweeps until it is so. A sweep wakes no more than have taken the change up already, two at first. */
async function sweepUntil(what: string, config: OperatorConfig, isSo: () => Promise<boolean>): Promise<void> {
  const sweep = async () => {
    await sweepOnce({ ...operator, config }, queues)
    return isSo()
  }
  await waitUntil(what, 60_000, sweep, operator.signal)
  await untilQueuesEmpty(queues, operator.signal)
  // A pod that is being made anew wakes its instance once more.
  const enqueued = async () => (await sweepOnce({ ...operator, config }, queues)).enqueued
  await expect.poll(enqueued, { timeout: 30_000 }).toBe(0)
}

describe('a pepper that is set later', () => {
  it('reaches the rows of those that run when a sweep finds them, and restarts none', async () => {
    const pods = await podsOf()
    expect(await hashes()).toEqual(names.map(() => null))
    const config = configured({
      OPERATOR_CLUSTER_CIDRS: cidr,
      OPERATOR_DEFAULT_TTL_MINUTES: '1000',
      FLAG_HMAC_PEPPER: 'pepper',
    })
    await runWith(config)
    expect(await sweepOnce({ ...operator, config }, queues)).toMatchObject({ enqueued: 2 })
    const wanted = platformFlagHash('flag{1}', 'pepper')
    await sweepUntil('the hash in every row', config, async () => all(await hashes(), wanted))
    expect(await podsOf()).toEqual(pods)
  })
})

describe('a changed Secret of a template', () => {
  it('reaches those that run when a resync finds it', async () => {
    const config = configured({
      OPERATOR_CLUSTER_CIDRS: cidr,
      OPERATOR_DEFAULT_TTL_MINUTES: '1000',
      FLAG_HMAC_PEPPER: 'pepper',
    })
    await edit(operator, 'Secret', 'flags', { stringData: { web: 'flag{2}' } })
    expect(await sweepOnce({ ...operator, config }, queues, { resync: false })).toMatchObject({ enqueued: 0 })
    expect(await sweepOnce({ ...operator, config }, queues)).toMatchObject({ enqueued: 2 })
    await sweepUntil('the flag everywhere', config, async () => all(await flags(), 'flag{2}'))
    const wanted = platformFlagHash('flag{2}', 'pepper')
    await waitUntil('the hash', 20_000, async () => all(await hashes(), wanted), operator.signal)
    for (const name of names) await phaseOf(operator, name, 'Ready')
  })
})

describe('a changed FLAG_SECRET', () => {
  const settings = {
    OPERATOR_CLUSTER_CIDRS: cidr,
    OPERATOR_DEFAULT_TTL_MINUTES: '1000',
    FLAG_HMAC_PEPPER: 'pepper',
  }
  const another = 'b'.repeat(64)
  const rotated = () => configured({ ...settings, FLAG_SECRET: another, FLAG_HMAC_PEPPER: 'new pepper' })
  const flagOf = async (name: string) =>
    Buffer.from((await child<Secret>('Secret', name))?.data?.[flagKey] ?? '', 'base64').toString('utf8')
  const hashOf = async (name: string) => (await rowsOf(operator, name))[0]?.flag_hmac
  const madeWith = (secret: string, uid = '') => {
    const source = { kind: 'hmac', envName: 'FLAG', format: 'flag{%s}' } as const
    const made = flagValue(source, uid, { flagSecret: secret })
    return 'flag' in made ? made.flag : undefined
  }
  const uidOf = async (name: string) => (await instanceCalled(operator, name))?.metadata.uid

  beforeAll(async () => {
    await create(
      operator,
      templateOf(parts.namespace, 'pwn', { flagStrategy: { type: 'hmac-per-instance' } }),
    )
    await create(operator, instanceOf(parts.namespace, 'earlier', 'pwn', 1))
    await phaseOf(operator, 'earlier', 'Ready')
    await untilQueuesEmpty(queues, operator.signal)
  })

  it('leaves every flag and every pod as it is, while the rows take a new pepper up', async () => {
    const before = { flags: await flags(), pods: await podsOf(), flag: await flagOf('earlier') }
    const pod = (await statusOf('earlier'))?.podName
    expect(before.flag).toBe(madeWith(flagSecret, await uidOf('earlier')))
    await runWith(rotated())
    const wanted = platformFlagHash(before.flag, 'new pepper')
    await sweepUntil('the hash of a kept flag', rotated(), async () => (await hashOf('earlier')) === wanted)
    const after = { flags: await flags(), pods: await podsOf(), flag: await flagOf('earlier') }
    expect(after).toEqual(before)
    expect((await statusOf('earlier'))?.podName).toBe(pod)
  })

  it('makes the flags of new instances', async () => {
    await create(operator, instanceOf(parts.namespace, 'later', 'pwn', 2))
    await phaseOf(operator, 'later', 'Ready')
    expect(await flagOf('later')).toBe(madeWith(another, await uidOf('later')))
  })

  it('makes a flag anew whose Secret is gone', async () => {
    const earlier = madeWith(flagSecret, await uidOf('earlier'))
    expect(await flagOf('earlier')).toBe(earlier)
    await operator.cluster.delete(referenceTo(operator, 'Secret', 'earlier'), {}, operator.signal)
    await sweepOnce({ ...operator, config: rotated() }, queues)
    const remade = madeWith(another, await uidOf('earlier'))
    await waitUntil('the flag', 30_000, async () => (await flagOf('earlier')) === remade, operator.signal)
    await phaseOf(operator, 'earlier', 'Ready')
  })
})
