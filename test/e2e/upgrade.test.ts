import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { labels } from '../../lib/crd/group.ts'
import type { NetworkPolicy, Pod, Stored } from '../../lib/crd/objects.ts'
import { waitUntil } from '../../local/process/wait.ts'
import { createFormerInstance, resumeInstance } from '../support/former-instance.ts'
import { type Challenge, runningParts } from './support/challenges.ts'
import { ports, type RunningPod } from './support/probe-pod.ts'
import { needs, openWorld, type World, workload } from './support/world.ts'

/** The port of a template that was edited. */
const otherPort = 9000

let world: World
let platform: RunningPod
let neighbour: Challenge
let former: Challenge
/** The uids of the pods of the instance before the upgrade. */
let podsBefore: string[]

const name = 'former'

beforeAll(async () => {
  world = await openWorld({ purpose: 'upgrade', templates: ['web', 'other'] })
  const namespace = world.namespaces[0]
  for (const each of ['web', 'other']) await world.challenges.applyTemplate(namespace, each, workload())
  ;[platform, neighbour] = await Promise.all([
    world.startProbe('platform'),
    // It makes the default-deny policy of the namespace, too.
    world.challenges.start({ namespace, name: 'neighbour' }, { template: 'other', team: 2 }),
  ])
  await createFormerInstance(world.operator(), { name, template: 'web', team: 1 })
  const runs = async () => (await pods()).some(isReady)
  await waitUntil('the pod of the former release', 180_000, runs, world.signal)
  podsBefore = await podUids()
  await world.stopOperator()
  await world.startOperator()
  await resumeInstance(world.operator(), name)
  former = await untilReady(podName => podName !== undefined)
})
afterAll(() => world?.close())

async function pods(): Promise<Stored<Pod>[]> {
  const labelSelector = `${labels.instance}=${name}`
  const found: Stored<Pod>[] = []
  const query = { namespace: world.namespaces[0], labelSelector }
  for await (const page of world.cluster.list<Pod>({ apiVersion: 'v1', kind: 'Pod' }, query, world.signal))
    found.push(...page)
  return found
}

const isReady = ({ status }: Pod) =>
  status?.conditions?.some(each => each.type === 'Ready' && each.status === 'True') ?? false
const podUids = async () => (await pods()).map(({ metadata }) => metadata.uid)

/** Waits until the instance is Ready with such a pod, and reads it. */
async function untilReady(isWanted: (podName: string | undefined) => boolean): Promise<Challenge> {
  const at = { namespace: world.namespaces[0], name }
  const instance = await world.challenges.until(
    at,
    ({ status }) => status?.phase === 'Ready' && isWanted(status.podName),
  )
  return { ...at, instance, ...(await runningParts(world.cluster, instance, world.signal)) }
}

const policyCalled = (policy: string) =>
  world.cluster.get<NetworkPolicy>(
    {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      namespace: world.namespaces[0],
      name: policy,
    },
    world.signal,
  )

describe('an instance with a policy of its own, after the upgrade to shared policies', () => {
  test('keeps its pod and its policy, also when the operator restarts', async () => {
    expect(await podUids()).toEqual(podsBefore)
    await world.stopOperator()
    await world.startOperator()
    // An instance that comes later has been through a pass.
    const at = { namespace: world.namespaces[0], name: 'later' }
    await world.challenges.start(at, { template: 'other', team: 3 })
    expect(await podUids()).toEqual(podsBefore)
    expect(await policyCalled(name)).toBeDefined()
    expect(former.pod.labels).not.toHaveProperty([labels.policy])
  })

  test('is reached by the platform, and by no team with a shared policy', async context => {
    needs(context, 'policies')
    const [host = ''] = former.pod.addresses
    await world.packets.expectOpen(platform, { host, port: ports.tcp })
    await world.packets.expectClosed(neighbour.pod, { host, port: ports.tcp })
    const [neighbourHost = ''] = neighbour.pod.addresses
    await world.packets.expectClosed(former.pod, { host: neighbourHost, port: ports.tcp })
  })

  test('moves to the shared policy with the pod that an edited rule makes', async context => {
    needs(context, 'policies')
    const moved = workload({
      args: ['netexec', `--http-port=${otherPort}`, '--udp-port=-1'],
      ports: [{ name: 'http', port: otherPort }],
    })
    await world.challenges.applyTemplate(world.namespaces[0], 'web', moved)
    const before = former.pod.pod
    former = await untilReady(podName => podName !== undefined && podName !== before)
    const { [labels.policy]: policy = '' } = former.pod.labels
    expect(await policyCalled(policy)).toBeDefined()
    await expect.poll(() => policyCalled(name), { timeout: 60_000 }).toBeUndefined()
    const [host = ''] = former.pod.addresses
    await world.packets.expectOpen(platform, { host, port: otherPort })
    await world.packets.expectClosed(neighbour.pod, { host, port: otherPort })
  })
})
