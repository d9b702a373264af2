import { afterAll, beforeAll, describe, test } from 'vitest'
import type { Challenge } from './support/challenges.ts'
import { ports, type RunningPod } from './support/probe-pod.ts'
import { needs, openWorld, type World, workload } from './support/world.ts'

let world: World
let web: Challenge
let named: RunningPod
let other: RunningPod

beforeAll(async () => {
  world = await openWorld({
    purpose: 'ingress',
    templates: ['web'],
    env: ({ platform }) => ({ OPERATOR_INGRESS_NAMESPACES: platform }),
  })
  const at = { namespace: world.namespaces[0], name: 'web-1' }
  await world.challenges.applyTemplate(at.namespace, 'web', workload())
  ;[web, named, other] = await Promise.all([
    world.challenges.start(at, { template: 'web', team: 1 }),
    world.startProbe('named'),
    world.startProbe('other', world.namespaces[1]),
  ])
})
afterAll(() => world?.close())

describe('OPERATOR_INGRESS_NAMESPACES', () => {
  test('lets the pods of the named namespace in, and no others', async context => {
    needs(context, 'policies')
    for (const host of [...web.pod.addresses, ...web.serviceAddresses]) {
      await world.packets.expectOpen(named, { host, port: ports.tcp })
      await world.packets.expectClosed(other, { host, port: ports.tcp })
    }
  })

  test('reaches a pod that runs when it is changed, without another pod', async context => {
    needs(context, 'policies')
    await world.stopOperator()
    await world.startOperator({ OPERATOR_INGRESS_NAMESPACES: world.namespaces[1] })
    for (const host of web.pod.addresses) {
      await world.packets.expectOpen(other, { host, port: ports.tcp })
      await world.packets.expectClosed(named, { host, port: ports.tcp })
    }
  })
})
