import { describe, expect, it } from 'vitest'
import { type ClockState, openClock } from '../../../../lib/clock/state.ts'
import type { ChallengeInstance } from '../../../../lib/crd/challenge-instance.ts'
import type { ChallengeTemplateSpec } from '../../../../lib/crd/challenge-template.ts'
import { annotations, finalizer } from '../../../../lib/crd/group.ts'
import type { Stored } from '../../../../lib/crd/objects.ts'
import { revisionName } from '../../../../lib/desired/template-revision.ts'
import { OperatorError } from '../../../../lib/errors.ts'
import type { Cluster } from '../../../../lib/kubernetes/cluster.ts'
import type { Cause } from '../../../../lib/messages.ts'
import { createEndOnTime } from '../../../../lib/reconcile/ends/end-on-time.ts'
import { silentLog } from '../../../../lib/telemetry/log.ts'
import { type InstanceParts, storedInstance, storedTemplate } from '../../../support/objects.ts'
import { somePass } from '../passes.ts'

const { signal } = new AbortController()
const end = Date.parse('2026-11-21T09:00:00Z')
const config = { defaultTtlMinutes: undefined }

interface World {
  instance?: Stored<ChallengeInstance>
  template?: ChallengeTemplateSpec | undefined
  clock?: ClockState
  causes?: readonly Cause[]
  uids?: readonly string[]
  /** Milliseconds from the end until the present. */
  afterMs?: number
  /** How far the known time of the API server is behind this clock. */
  behindMs?: number
  deletion?: 'deleting' | 'conflict'
}

const template = storedTemplate({ spec: { ttlMinutes: 60 } })

/** An instance that was created an hour before the end, which its status shows. */
function living({ metadata, status, ...parts }: InstanceParts = {}): Stored<ChallengeInstance> {
  const { uid, generation = 1 } = template.metadata
  const used = { uid, generation, hash: 'any', revision: revisionName(template) }
  return storedInstance({
    metadata: { finalizers: [finalizer], ...metadata },
    status: { template: used, expiresAt: '2026-11-21T09:00:00Z', ...status },
    ...parts,
  })
}

/** Runs a pass. @returns its result, and the calls */
async function passOf({ instance = living(), deletion = 'deleting', ...world }: World) {
  const calls: string[] = []
  const started = Date.now()
  const now = () => end + (world.afterMs ?? 0) + (Date.now() - started)
  const cluster = {
    getCached: async () => {
      calls.push('read')
      return instance
    },
    get: async () => {
      calls.push('template')
      return template
    },
    putStatus: async (written: Stored<ChallengeInstance>) => {
      calls.push(`status ${written.status?.expiresAt} ${written.status?.creditMinutes ?? 0}`)
      return { ...written, metadata: { ...written.metadata, resourceVersion: '2' } }
    },
    delete: async (_: unknown, preconditions: object) => {
      calls.push(`delete ${JSON.stringify(preconditions)}`)
      return deletion
    },
  } as unknown as Cluster
  const readClock = async () => world.clock ?? openClock
  const reached = () => now() - (world.behindMs ?? 0)
  const endOnTime = createEndOnTime({ cluster, config, readClock, now, reached, log: silentLog })
  const pass = somePass({
    uids: world.uids ?? [instance.metadata.uid],
    causes: new Set(world.causes ?? ['expiry']),
  })
  return { found: await endOnTime(pass, signal), calls }
}

const deletion = 'delete {"uid":"instance-uid","resourceVersion":"1"}'

describe('a pass that was sent for an end', () => {
  it('marks the instance in the version that it has read, and does nothing else', async () => {
    expect(await passOf({})).toEqual({ found: 'ended', calls: ['read', 'template', deletion] })
  })

  it('waits until the API server has reached the end', async () => {
    expect(await passOf({ behindMs: 30 })).toEqual({ found: 'ended', calls: ['read', 'template', deletion] })
    expect(await passOf({ afterMs: -30 })).toEqual({ found: 'ended', calls: ['read', 'template', deletion] })
  })

  it('leaves an instance whose end was moved to the whole pass', async () => {
    const renewed = living({ spec: { expiresAt: new Date(end + 60_000).toISOString() } })
    expect(await passOf({ instance: renewed })).toEqual({ found: 'open', calls: ['read', 'template'] })
    const credits = [{ id: 'outage', minutes: 20, at: end - 60_000 }]
    expect((await passOf({ clock: { ...openClock, credits } })).found).toBe('open')
  })

  it('writes an end that the status does not have before it marks the instance', async () => {
    const credits = [{ id: 'minus', minutes: -20, at: end - 60_000 }]
    expect(await passOf({ clock: { ...openClock, credits } })).toEqual({
      found: 'ended',
      calls: [...['read', 'template', 'status 2026-11-21T08:40:00Z -20'], deletion.replace('"1"', '"2"')],
    })
  })

  it('leaves an instance that changed after the read to the whole pass', async () => {
    expect(await passOf({ deletion: 'conflict' })).toMatchObject({ found: 'open' })
  })

  it.each<[string, World]>([
    ['is paused', { instance: living({ metadata: { annotations: { [annotations.paused]: 'true' } } }) }],
    ['waits for the pause of the clock', { clock: { ...openClock, paused: true } }],
    ['is another one', { uids: ['predecessor'] }],
    ['lacks the finalizer', { instance: living({ metadata: { finalizers: [] } }) }],
    [
      'is built from another template',
      { instance: living({ status: { template: { uid: 'other', generation: 1, hash: 'other' } } }) },
    ],
  ])('leaves an instance that %s to the whole pass', async (_, world) => {
    const { found, calls } = await passOf(world)
    expect(found).toBe('open')
    expect(calls).not.toContain(deletion)
  })

  it('leaves the teardown of an instance that is marked to the pass that the mark wakes', async () => {
    const marked = living({ metadata: { deletionTimestamp: '2026-11-21T09:00:00Z' } })
    expect(await passOf({ instance: marked })).toEqual({ found: 'ended', calls: ['read'] })
    expect(await passOf({ instance: marked, causes: ['expiry', 'deleted'] })).toMatchObject({ found: 'open' })
    expect(await passOf({ instance: marked, causes: ['expiry', 'retry'] })).toMatchObject({ found: 'open' })
  })

  it('reads the template once for all instances that end together', async () => {
    let reads = 0
    const failing = new OperatorError('ClusterUnavailable', 'away')
    const cluster = {
      getCached: async () => living(),
      get: async () => {
        reads += 1
        if (reads === 1) throw failing
        return template
      },
      delete: async () => 'deleting',
    } as unknown as Cluster
    const now = () => end
    const parts = { cluster, config, readClock: async () => openClock, now, reached: now, log: silentLog }
    const endOnTime = createEndOnTime(parts)
    const pass = somePass({ uids: ['instance-uid'], causes: new Set(['expiry']) })
    const ten = () => Promise.all(Array.from({ length: 10 }, () => endOnTime(pass, signal)))
    expect(new Set(await ten())).toEqual(new Set(['open']))
    expect(new Set([...(await ten()), ...(await ten())])).toEqual(new Set(['ended']))
    expect(reads).toBe(2)
  })
})

it('a pass for another reason reads nothing', async () => {
  expect(await passOf({ causes: ['changed'] })).toEqual({ found: 'open', calls: [] })
})
