import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { clockProblem, followsSource, keptState } from '../../lib/clock/kept.ts'
import { type ClockState, clockName, clockStateName, openClock } from '../../lib/clock/state.ts'
import type { ChallengeInstance, ChallengeInstanceSpec } from '../../lib/crd/challenge-instance.ts'
import { labels } from '../../lib/crd/group.ts'
import type { ConfigMap, Deployment, KubernetesObject, NetworkPolicy } from '../../lib/crd/objects.ts'
import { silentLog } from '../../lib/telemetry/log.ts'
import { clockCheck } from '../../local/commands/doctor/clock-check.ts'
import { composeOperator } from '../../local/lambda/compose.ts'
import { waitUntil } from '../../local/process/wait.ts'
import { untilEvent } from '../support/kubernetes-events.ts'
import { instanceOf, templateOf } from '../support/objects.ts'
import { eventually, phaseOf, referenceTo, type TestOperator } from '../support/operator.ts'
import { type OperatorParts, openOperatorParts } from '../support/operator-parts.ts'

let parts: OperatorParts
let operator: TestOperator
/** Two of every function, on the same queues. Each can be stopped by itself. */
let running: { ending: AbortController; done: Promise<void> }[]

const waitSeconds = 1

function start(): void {
  const ending = new AbortController()
  const composed = composeOperator(parts.addresses, parts.config, silentLog, { waitSeconds })
  running.push({ ending, done: composed.run(AbortSignal.any([ending.signal, parts.signal])) })
}

/** Ends the oldest functions, the leading forwarder among them, and starts new ones that remember nothing. */
async function restart(): Promise<void> {
  start()
  const oldest = running.shift()
  oldest?.ending.abort()
  await oldest?.done
  // The queue server would give the next messages to the polls of the functions that ended.
  await until(Date.now() + waitSeconds * 1_000)
}

beforeAll(async () => {
  parts = await openOperatorParts({ env: { OPERATOR_INTERVAL: '2', OPERATOR_RESYNC_MINUTES: '1' } })
  running = []
  start()
  start()
  const { stop: _, ...rest } = parts
  operator = { ...rest, stop: () => parts.stop(Promise.all(running.map(({ done }) => done))) }
  for (const [name, port] of [
    ['web', 8080],
    ['pwn', 9000],
  ] as const)
    await parts.cluster.create(
      templateOf(parts.namespace, name, { ports: [{ name: 'main', port, protocol: 'TCP' }] }),
      parts.signal,
    )
})
afterAll(() => operator?.stop())

const configMap = (name: string) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  namespace: parts.namespace,
  name,
})

/** Writes the organiser's ConfigMap as kubectl does. */
async function order(data: Record<string, string>): Promise<void> {
  const { apiVersion, kind, ...metadata } = configMap(clockName)
  const existing = await parts.cluster.get<ConfigMap>(configMap(clockName), parts.signal)
  const operations = [{ op: 'add', path: '/data', value: data }] as const
  if (existing) await parts.cluster.patchJson(configMap(clockName), [...operations], parts.signal)
  else
    await parts.cluster.create<ConfigMap & KubernetesObject>(
      { apiVersion, kind, metadata, data } as never,
      parts.signal,
    )
}

/** Waits until the state follows the organiser's ConfigMap. @returns the ConfigMap with the state */
async function taken(): Promise<ConfigMap> {
  let kept: ConfigMap | undefined
  await waitUntil(
    'the state follows the ConfigMap',
    20_000,
    async () => {
      const source = await parts.cluster.get<ConfigMap>(configMap(clockName), parts.signal)
      kept = await parts.cluster.get<ConfigMap>(configMap(clockStateName), parts.signal)
      return kept !== undefined && followsSource(kept, source)
    },
    parts.signal,
  )
  return kept as ConfigMap
}

/** The state after the organiser's ConfigMap was taken up. */
async function stateWith(data: Record<string, string>): Promise<ClockState | undefined> {
  await order(data)
  return keptState(await taken())
}

const inSeconds = (seconds: number) => new Date(Date.now() + seconds * 1_000).toISOString()

async function create(name: string, template = 'web', spec: Partial<ChallengeInstanceSpec> = {}) {
  await parts.cluster.create(instanceOf(parts.namespace, name, template, 7, spec), parts.signal)
}

const instanceCalled = (name: string) =>
  parts.cluster.get<ChallengeInstance>(referenceTo(operator, 'ChallengeInstance', name), parts.signal)

const gone = (name: string) =>
  eventually<ChallengeInstance>(operator, 'ChallengeInstance', name, found => found === undefined)

const edit = (name: string, path: string, value: unknown) =>
  parts.cluster.patchJson(
    referenceTo(operator, 'ChallengeInstance', name),
    [{ op: 'add', path, value }],
    parts.signal,
  )

const until = (at: number) => waitUntil('the date', 60_000, async () => Date.now() > at, parts.signal)

/** What `challenge-operator doctor` says of the clock. */
const doctor = () => clockCheck(operator.client, parts.config.leaseNamespace).look(parts.signal)

/** The shared policies that Deployments need. One that nothing needs any more waits to be collected as it is. */
async function policies(): Promise<NetworkPolicy[]> {
  const deployments = { apiVersion: 'apps/v1', kind: 'Deployment' }
  const needed = new Set<string | undefined>()
  for await (const page of parts.cluster.list<Deployment>(
    deployments,
    { namespace: parts.namespace },
    parts.signal,
  ))
    for (const { spec } of page) needed.add(spec?.template?.metadata?.labels?.[labels.policy])
  const kind = { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy' }
  const found: NetworkPolicy[] = []
  const selection = { namespace: parts.namespace, labelSelector: labels.policy }
  for await (const page of parts.cluster.list<NetworkPolicy>(kind, selection, parts.signal))
    found.push(...page.filter(({ metadata }) => needed.has(metadata.name)))
  return found
}

const isClosed = ({ spec }: NetworkPolicy) => !spec.ingress?.length && !spec.egress?.length

describe('the organiser’s clock', () => {
  test('credits reach instances, and nobody ends on the old date, whatever becomes of the ConfigMap', async () => {
    const base = Date.now() + 20_000
    expect(await doctor()).toEqual({ fine: 'nothing is paused, locked down or credited' })
    await create('credited', 'web', { expiresAt: new Date(base).toISOString() })
    await create('other', 'pwn', { expiresAt: inSeconds(3_600) })
    await phaseOf(operator, 'credited', 'Ready')
    await phaseOf(operator, 'other', 'Ready')
    // An instance counts by its time of creation, which has whole seconds.
    await until(Date.parse((await instanceCalled('credited'))?.metadata.creationTimestamp ?? '') + 2_000)
    const credit = `[{id: outage, minutes: 10, at: "${new Date().toISOString()}", template: web}]`
    expect((await stateWith({ credits: credit }))?.credits).toMatchObject([{ id: 'outage', minutes: 10 }])
    const credited = await eventually<ChallengeInstance>(
      operator,
      'ChallengeInstance',
      'credited',
      found => found?.status?.creditMinutes === 10,
    )
    expect(Date.parse(credited?.status?.expiresAt ?? '')).toBe(base + 600_000)
    expect((await instanceCalled('other'))?.status?.creditMinutes).toBeUndefined()

    await restart()
    await parts.cluster.delete(configMap(clockName), {}, parts.signal)
    const afterDeletion = await taken()
    expect(await untilEvent(operator, 'ClockDeleted', clockName, 'ConfigMap')).toContainEqual(
      expect.objectContaining({ type: 'Warning', note: clockProblem(afterDeletion) }),
    )
    expect(await doctor()).toMatchObject({
      problem: expect.stringContaining('is not followed: It was deleted'),
    })
    expect(clockProblem(afterDeletion)).toMatch(/^It was deleted/)
    expect(keptState(afterDeletion)?.credits).toHaveLength(1)
    await until(base + 3_000)
    expect(await instanceCalled('credited')).toMatchObject({ status: { phase: 'Ready' } })

    await order({ credits: 'ten minutes for everybody', paused: 'true' })
    const malformed = await taken()
    expect(clockProblem(malformed)).toMatch(/data\.credits is no list/)
    expect(await untilEvent(operator, 'ClockInvalid', clockName, 'ConfigMap')).toContainEqual(
      expect.objectContaining({ type: 'Warning', note: clockProblem(malformed) }),
    )
    expect(await doctor()).toMatchObject({
      problem: expect.stringMatching(/is not followed: data\.credits is no list/),
      remedy: 'correct it, or write it anew',
    })
    expect(keptState(malformed)).toMatchObject({ paused: false, credits: [{ id: 'outage' }] })
    await restart()
    // Sweeps of functions that remember nothing.
    await until(Date.now() + 5_000)
    expect(await instanceCalled('credited')).toMatchObject({ status: { phase: 'Ready', creditMinutes: 10 } })

    expect(await stateWith({ credits: '[]' })).toEqual(openClock)
    expect(await doctor()).toEqual({ fine: 'not paused, not locked down, 0 credits' })
    await gone('credited')
    expect((await instanceCalled('other'))?.metadata.deletionTimestamp).toBeUndefined()
    await parts.cluster.delete(referenceTo(operator, 'ChallengeInstance', 'other'), {}, parts.signal)
    await gone('other')
  }, 120_000)

  test('a pause holds creation, change and end back, carries deletions out, and lets go afterwards', async () => {
    const end = Date.now() + 25_000
    for (const name of ['steady', 'edited', 'unwanted']) await create(name)
    await create('due', 'web', { expiresAt: new Date(end).toISOString() })
    for (const name of ['steady', 'edited', 'unwanted', 'due']) await phaseOf(operator, name, 'Ready')
    // Passes that the start has caused have ended.
    let before = await instanceCalled('steady')
    const isSettled = async () => {
      const last = before?.metadata.resourceVersion
      await until(Date.now() + 2_000)
      before = await instanceCalled('steady')
      return before?.metadata.resourceVersion === last
    }
    await waitUntil('a settled instance', 20_000, isSettled, parts.signal)
    expect(await stateWith({ paused: 'true' })).toMatchObject({ paused: true })

    await create('held')
    await phaseOf(operator, 'held', 'Pending', 'Paused')
    await edit('edited', '/spec/suspend', true)
    await phaseOf(operator, 'edited', 'Ready', 'Paused')
    await parts.cluster.delete(referenceTo(operator, 'ChallengeInstance', 'unwanted'), {}, parts.signal)
    await gone('unwanted')
    await until(end + 2_000)
    await phaseOf(operator, 'due', 'Ready', 'Paused')
    const held = await parts.cluster.get(referenceTo(operator, 'Deployment', 'held'), parts.signal)
    expect(held).toBeUndefined()
    const edited = referenceTo(operator, 'Deployment', 'edited')
    expect((await parts.cluster.get<Deployment>(edited, parts.signal))?.spec?.replicas).toBe(1)
    // Two sweeps have passed meanwhile.
    expect((await instanceCalled('steady'))?.metadata.resourceVersion).toBe(before?.metadata.resourceVersion)

    expect(await stateWith({})).toMatchObject({ paused: false })
    await phaseOf(operator, 'held', 'Ready')
    await gone('due')
    await phaseOf(operator, 'edited', 'Idle', 'Suspended')
    for (const name of ['held', 'edited'])
      await parts.cluster.delete(referenceTo(operator, 'ChallengeInstance', name), {}, parts.signal)
    await gone('held')
    await gone('edited')
  }, 120_000)

  test('a lockdown closes the policies of all instances in both directions, and opens them again', async () => {
    expect((await policies()).filter(isClosed)).toEqual([])
    const before = await instanceCalled('steady')
    await order({ lockdown: 'true' })
    const whileLocked = async () => (await policies()).every(isClosed)
    await waitUntil('all policies are closed', 20_000, whileLocked, parts.signal)
    await create('late', 'pwn')
    await phaseOf(operator, 'late', 'Ready')
    const names = (await policies()).map(({ metadata }) => metadata.name)
    const late = await parts.cluster.get<Deployment>(
      referenceTo(operator, 'Deployment', 'late'),
      parts.signal,
    )
    expect(names).toContain(late?.spec?.template?.metadata?.labels?.[labels.policy])
    expect(await whileLocked()).toBe(true)
    expect(await instanceCalled('steady')).toEqual(before)

    await order({ lockdown: 'false' })
    const isOpen = async () => (await policies()).every(each => !isClosed(each))
    await waitUntil('all policies are open', 20_000, isOpen, parts.signal)
    expect(await instanceCalled('steady')).toEqual(before)
  }, 120_000)
})
