import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { type Challenge, runningParts } from './support/challenges.ts'
import { ports, type RunningPod } from './support/probe-pod.ts'
import { needs, openWorld, type World, workload } from './support/world.ts'

const flagStrategy = { type: 'hmac-per-instance' } as const

let world: World
let platform: RunningPod
let web: Challenge

beforeAll(async () => {
  world = await openWorld({ purpose: 'changes', templates: ['web'] })
  const at = { namespace: world.namespaces[0], name: 'web-1' }
  await world.challenges.applyTemplate(at.namespace, 'web', workload({ flagStrategy }))
  ;[web, platform] = await Promise.all([
    world.challenges.start(at, { template: 'web', team: 1 }),
    world.startProbe('platform'),
  ])
})
afterAll(() => world?.close())

/** Waits until the challenge is Ready with another pod, and reads it. */
async function replaced({ namespace, name, pod }: Challenge): Promise<Challenge> {
  const isReplaced = (podName: string | undefined) => podName !== undefined && podName !== pod.pod
  const instance = await world.challenges.until(
    { namespace, name },
    ({ status }) => status?.phase === 'Ready' && isReplaced(status.podName),
  )
  return { namespace, name, instance, ...(await runningParts(world.cluster, instance, world.signal)) }
}

describe('an edited template', () => {
  let before: Challenge
  let flagBefore: string | undefined
  beforeAll(async () => {
    before = web
    flagBefore = (await world.packets.environmentOf(web.pod)).FLAG
    const env = [{ name: 'LEVEL', value: 'hard' }]
    await world.challenges.applyTemplate(web.namespace, 'web', workload({ flagStrategy, env }))
    web = await replaced(web)
  })

  test('gives the challenge a new pod with the new variable and the same flag', async () => {
    const { LEVEL, FLAG } = await world.packets.environmentOf(web.pod)
    expect(LEVEL).toBe('hard')
    expect(flagBefore).toMatch(/^flag\{[0-9a-f]{32}\}$/)
    expect(FLAG).toBe(flagBefore)
  })

  test('keeps the address, which leads to the new pod', async () => {
    expect(web.instance.status?.url).toBe(before.instance.status?.url)
    expect(web.serviceAddresses).toEqual(before.serviceAddresses)
    for (const host of web.serviceAddresses)
      await world.packets.expectOpen(platform, { host, port: ports.tcp })
  })

  test('opens the internet with another network profile, to a new pod', async context => {
    needs(context, 'policies', 'outside')
    const { outside } = inject('suite')
    await world.packets.expectClosed(web.pod, outside)
    await world.challenges.applyTemplate(
      web.namespace,
      'web',
      workload({ flagStrategy, networkProfile: 'open' }),
    )
    web = await replaced(web)
    await world.packets.expectOpen(web.pod, outside)
    await world.packets.expectOpen(platform, { host: web.pod.addresses[0] ?? '', port: ports.tcp })
  })

  test('moves the ports that the platform reaches', async context => {
    needs(context, 'policies')
    const port = 9000
    const moved = workload({
      flagStrategy,
      args: ['netexec', `--http-port=${port}`, `--udp-port=${ports.udp}`],
      ports: [{ name: 'http', port }],
    })
    await world.challenges.applyTemplate(web.namespace, 'web', moved)
    web = await replaced(web)
    const { hostname, port: ofUrl } = new URL(web.instance.status?.url ?? '')
    expect(ofUrl).toBe(String(port))
    await world.packets.expectOpen(platform, { host: hostname, port })
    const udp = web.pod.addresses.map(host => ({ host, port: ports.udp, protocol: 'udp' as const }))
    for (const target of udp) {
      await world.packets.expectOpen(web.pod, target)
      await world.packets.expectClosed(platform, target)
    }
  })
})
