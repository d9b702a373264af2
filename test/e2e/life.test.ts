import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { clockName } from '../../lib/clock/state.ts'
import type { Placement } from '../../lib/crd/challenge-template.ts'
import { annotations, labels } from '../../lib/crd/group.ts'
import type { Pod } from '../../lib/crd/objects.ts'
import { openPodMetrics } from '../../lib/kubernetes/pod-metrics.ts'
import { waitUntil } from '../../local/process/wait.ts'
import { rowsOf } from '../support/consistency.ts'
import { edit } from '../support/edits.ts'
import type { Challenge } from './support/challenges.ts'
import type { PodContainer } from './support/execute.ts'
import type { Target } from './support/packets.ts'
import { ports, type RunningPod } from './support/probe-pod.ts'
import { needs, openWorld, placements, type World, workload } from './support/world.ts'

describe('idleness by the processor time that metrics.k8s.io reports', () => {
  /** A container that only waits for requests uses less than one. The busy one uses all of its 100. */
  const idleMillicores = 20
  /** The least value of the field. With processor time as a source, a quarter is added. */
  const idleTimeoutMinutes = 5
  const beyondTimeoutMs = 400_000
  /** A metrics-server needs two samples of a new pod, which are up to a minute apart. */
  const reportedMs = 180_000
  const quietNames = ['quiet-1', 'quiet-2', 'quiet-3', 'quiet-4', 'quiet-5']

  let world: World
  /** The clocks of reconcile and sweep go ahead, since no timeout is shorter than five minutes. */
  let aheadMs = 0
  const operatorNow = () => Date.now() + aheadMs
  /** Milliseconds from the creation of each quiet instance until it was Ready. */
  const startMs: number[] = []

  beforeAll(async () => {
    world = await openWorld({
      purpose: 'idle',
      templates: ['quiet', 'busy'],
      env: () => ({ OPERATOR_IDLE_MILLICORES: String(idleMillicores) }),
      seams: { time: { likely: operatorNow, reached: operatorNow } },
    })
    const [namespace] = world.namespaces
    const burner = {
      name: 'burner',
      image: inject('suite').image,
      args: ['stress', '--cpus=1'],
      resources: { cpu: '100m', memory: '64Mi' },
    }
    await world.challenges.applyTemplate(namespace, 'quiet', workload({ idleTimeoutMinutes }))
    await world.challenges.applyTemplate(
      namespace,
      'busy',
      workload({ idleTimeoutMinutes, containers: [burner] }),
    )
    await world.challenges.start(at('busy'), { template: 'busy', team: 1 })
    for (const name of quietNames) {
      const begun = performance.now()
      await world.challenges.create(at(name), { template: 'quiet', team: 1 })
      await phaseOf(name, 'Ready')
      startMs.push(performance.now() - begun)
    }
  })
  afterAll(() => world?.close())

  const at = (name: string) => ({ namespace: world.namespaces[0], name })
  const phaseOf = (name: string, phase: string) =>
    world.challenges.until(at(name), ({ status }) => status?.phase === phase)

  async function podsOf(uid: string): Promise<string[]> {
    const found: string[] = []
    const selection = { namespace: world.namespaces[0], labelSelector: `${labels.instanceUid}=${uid}` }
    for await (const page of world.cluster.list<Pod>(
      { apiVersion: 'v1', kind: 'Pod' },
      selection,
      world.signal,
    ))
      found.push(...page.map(({ metadata }) => metadata.name))
    return found
  }

  /** Waits until the metrics tell the busy instance from the quiet ones. */
  async function untilReported(): Promise<void> {
    const metrics = openPodMetrics(world.client)
    const busy = (await phaseOf('busy', 'Ready')).metadata.uid
    const quiet = await Promise.all(quietNames.map(async name => (await phaseOf(name, 'Ready')).metadata.uid))
    const isReported = async () => {
      const found = await metrics.millicores(world.namespaces[0], world.signal)
      const quietOnes = quiet.map(uid => found.get(uid) ?? idleMillicores)
      return (found.get(busy) ?? 0) > idleMillicores && quietOnes.every(each => each < idleMillicores)
    }
    await waitUntil('metrics of all pods', reportedMs, isReported, world.signal)
  }

  /** Waits until the row says that the busy instance was in use at that time or later. @returns what it says */
  async function busyAt(time: number): Promise<number> {
    let last = 0
    const isSo = async () => {
      const [row] = await rowsOf(world.operator(), 'busy')
      last = Number(row?.last_active_at ?? 0)
      return last >= time
    }
    await waitUntil('recorded activity', 60_000, isSo, world.signal)
    return last
  }

  test('hibernates quiet instances and keeps a busy one, whose row moves', async context => {
    needs(context, 'metrics')
    const before = await phaseOf('busy', 'Ready')
    const [row] = await rowsOf(world.operator(), 'busy')
    expect(row?.last_active_at).toBeNull()
    await untilReported()

    aheadMs = beyondTimeoutMs
    for (const name of quietNames) {
      const { metadata, status } = await phaseOf(name, 'Idle')
      expect(status).toMatchObject({ reason: 'Idle', hibernation: { reason: 'Idle' } })
      await expect.poll(() => podsOf(metadata.uid), { timeout: reportedMs }).toEqual([])
    }
    const first = await busyAt(Date.now() + beyondTimeoutMs - 120_000)

    aheadMs = 2 * beyondTimeoutMs
    const second = await busyAt(first + beyondTimeoutMs / 2)
    expect(second).toBeGreaterThan(first)
    const after = await phaseOf('busy', 'Ready')
    expect(after.status?.podName).toBe(before.status?.podName)
    expect(await podsOf(after.metadata.uid)).toEqual([before.status?.podName])
  })

  test('wakes a hibernated instance by its annotation, in about the time that a new one takes', async context => {
    needs(context, 'metrics')
    const wakeMs: number[] = []
    for (const name of quietNames) {
      await phaseOf(name, 'Idle')
      const begun = performance.now()
      const time = new Date(operatorNow()).toISOString()
      await edit(world.operator(), 'ChallengeInstance', name, {
        metadata: { annotations: { [annotations.lastActivity]: time } },
      })
      const { metadata, status } = await phaseOf(name, 'Ready')
      wakeMs.push(performance.now() - begun)
      expect(status).not.toHaveProperty('hibernation')
      expect((await podsOf(metadata.uid)).length).toBe(1)
    }
    const middle = (values: number[]) => Math.round(values.toSorted((a, b) => a - b)[2] ?? 0)
    const all = (values: number[]) => values.map(Math.round).join(', ')
    await context.annotate(
      `to Ready, p50: from the annotation ${middle(wakeMs)} ms (${all(wakeMs)}), ` +
        `from the creation ${middle(startMs)} ms (${all(startMs)})`,
    )
    // A machine that is busy may make either of them slow. The bound is for a wake that waits for something else than its pod.
    expect(middle(wakeMs)).toBeLessThan(3 * middle(startMs) + 10_000)
  })
})

describe('a lockdown', () => {
  let world: World
  let platform: RunningPod
  let challenges: Challenge[]

  const templateName = (placement: Placement) => `open-${placement.toLowerCase()}`

  beforeAll(async () => {
    world = await openWorld({
      purpose: 'lockdown',
      templates: placements.map(templateName),
      everyPlacement: true,
    })
    const [namespace] = world.namespaces
    const start = async (placement: Placement) => {
      const template = templateName(placement)
      await world.challenges.applyTemplate(
        namespace,
        template,
        workload({ networkProfile: 'open', placement }),
      )
      return world.challenges.start({ namespace, name: template }, { template, team: 1 })
    }
    platform = await world.startProbe('platform')
    challenges = await Promise.all(placements.map(start))
  })
  afterAll(() => world?.close())

  const targetsOf = ({ pod, serviceAddresses }: Challenge): Target[] =>
    [...pod.addresses, ...serviceAddresses].flatMap(host => [
      { host, port: ports.tcp },
      { host, port: ports.udp, protocol: 'udp' as const },
    ])

  /** Whether a challenge can ask for the address of a name. The dot at its end keeps it to one question. */
  async function resolves(from: PodContainer, { name, pod: { namespace } }: Challenge): Promise<boolean> {
    const target = { host: `${name}.${namespace}.svc.cluster.local.`, port: ports.tcp }
    return (await world.packets.connect(from, target)) !== 'DNS'
  }

  const expectNames = (challenge: Challenge, expected: boolean) =>
    expect.poll(() => resolves(challenge.pod, challenge), { timeout: 60_000 }).toBe(expected)

  async function expectAllOpen(challenge: Challenge): Promise<void> {
    await Promise.all(targetsOf(challenge).map(target => world.packets.expectOpen(platform, target)))
    await world.packets.expectOpen(challenge.pod, inject('suite').outside)
    await expectNames(challenge, true)
  }

  async function expectAllClosed(challenge: Challenge): Promise<void> {
    await Promise.all(targetsOf(challenge).map(target => world.packets.expectClosed(platform, target)))
    await world.packets.expectClosed(challenge.pod, inject('suite').outside)
    await expectNames(challenge, false)
  }

  /** Writes the organiser's ConfigMap as kubectl does. */
  async function order(data: Record<string, string>): Promise<void> {
    const path = `/api/v1/namespaces/${world.namespaces[0]}/configmaps`
    const patch = { body: { data }, contentType: 'application/merge-patch+json' }
    const { status } = await world.client.request('PATCH', `${path}/${clockName}`, patch, world.signal)
    if (status === 200) return
    const body = { metadata: { name: clockName }, data }
    const created = await world.client.request('POST', path, { body }, world.signal)
    expect(created.status).toBe(201)
  }

  test('closes challenges of each placement to the platform, the internet and DNS, and opens them again', async context => {
    needs(context, 'policies', 'outside')
    await Promise.all(challenges.map(expectAllOpen))

    await order({ lockdown: 'true' })
    const late = await world.challenges.start(
      { namespace: world.namespaces[0], name: 'late' },
      { template: templateName('Shared'), team: 2 },
    )
    await Promise.all([...challenges, late].map(expectAllClosed))
    // The platform's own ways are open, so that the policies of the challenges alone refuse them.
    await world.packets.expectOpen(platform, inject('suite').outside)
    const other = await world.startProbe('other')
    await world.packets.expectOpen(platform, { host: other.addresses[0] ?? '', port: ports.tcp })

    await order({ lockdown: 'false' })
    await Promise.all([...challenges, late].map(expectAllOpen))
    for (const { namespace, name, pod } of challenges) {
      const { status } = await world.challenges.until({ namespace, name }, each => each.status !== undefined)
      expect(status).toMatchObject({ phase: 'Ready', podName: pod.pod })
    }
  })
})
