import { createHmac } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { rowsOf } from '../support/consistency.ts'
import { pepper } from '../support/operator.ts'
import type { Challenge } from './support/challenges.ts'
import { openWorld, type World, workload } from './support/world.ts'

let world: World
let challenges: Challenge[]

beforeAll(async () => {
  world = await openWorld({ purpose: 'pod', templates: ['web', 'restricted'] })
  const namespace = world.namespaces[0]
  await world.challenges.applyTemplate(
    namespace,
    'web',
    workload({ flagStrategy: { type: 'hmac-per-instance', envName: 'THE_FLAG' } }),
  )
  challenges = await Promise.all(
    [1, 2].map(team => world.challenges.start({ namespace, name: `web-${team}` }, { template: 'web', team })),
  )
})
afterAll(() => world?.close())

describe('the flag in the container', () => {
  test('is what the hash in the database was made of', async () => {
    for (const { pod, name } of challenges) {
      const { THE_FLAG: flag = '' } = await world.packets.environmentOf(pod)
      const [row] = await rowsOf(world.operator(), name)
      expect(flag).toMatch(/^flag\{[0-9a-f]{32}\}$/)
      expect(createHmac('sha256', pepper).update(flag).digest('hex')).toBe(row?.flag_hmac)
    }
  })

  test('is another one for each team', async () => {
    const environments = await Promise.all(challenges.map(({ pod }) => world.packets.environmentOf(pod)))
    expect(new Set(environments.map(({ THE_FLAG }) => THE_FLAG)).size).toBe(challenges.length)
    expect(environments.map(({ TEAM_ID }) => TEAM_ID)).toEqual(['1', '2'])
  })
})

describe('the process of a hardened pod', () => {
  let status: Record<string, string>
  beforeAll(async () => {
    const [{ pod }] = challenges as [Challenge]
    const lines = (await world.packets.readFile(pod, '/proc/1/status')).split('\n')
    status = Object.fromEntries(lines.map(line => line.split(':\t') as [string, string]))
  })

  test('has no capabilities', () => {
    for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'])
      expect(status[set], set).toMatch(/^0+$/)
  })

  test('cannot gain privileges', () => {
    expect(status.NoNewPrivs).toBe('1')
  })

  test('has a seccomp filter', () => {
    expect(status.Seccomp).toBe('2')
  })

  test('has no service account token and no variables of other Services', async () => {
    const [{ pod }] = challenges as [Challenge]
    const token = '/var/run/secrets/kubernetes.io/serviceaccount/token'
    await expect(world.packets.readFile(pod, token)).rejects.toThrow('cannot be read')
    expect(Object.keys(await world.packets.environmentOf(pod))).not.toContain('WEB_2_SERVICE_HOST')
  })
})

test('podSecurity restricted refuses an image that runs as root', async () => {
  const at = { namespace: world.namespaces[0], name: 'restricted-1' }
  await world.challenges.applyTemplate(at.namespace, 'restricted', workload({ podSecurity: 'restricted' }))
  await world.challenges.create(at, { template: 'restricted', team: 1 })
  const { status } = await world.challenges.until(at, each => each.status?.reason === 'ConfigInvalid')
  expect(status?.phase).toBe('Failed')
})
