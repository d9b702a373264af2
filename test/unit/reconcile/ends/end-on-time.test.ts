import { describe, expect, it } from 'vitest'
import { type ClockState, openClock } from '../../../../lib/clock/state.ts'
import type { ChallengeInstance } from '../../../../lib/crd/challenge-instance.ts'
import type { ChallengeTemplate } from '../../../../lib/crd/challenge-template.ts'
import { annotations, finalizer } from '../../../../lib/crd/group.ts'
import type { ObjectReference, Stored } from '../../../../lib/crd/objects.ts'
import { revisionName } from '../../../../lib/desired/template-revision.ts'
import { OperatorError } from '../../../../lib/errors.ts'
import type { Cluster } from '../../../../lib/kubernetes/cluster.ts'
import type { Cause, SeenEnd } from '../../../../lib/messages.ts'
import { createEndOnTime } from '../../../../lib/reconcile/ends/end-on-time.ts'
import { silentLog } from '../../../../lib/telemetry/log.ts'
import { type InstanceParts, storedInstance, storedTemplate } from '../../../support/objects.ts'
import { somePass } from '../passes.ts'

const { signal } = new AbortController()
const end = Date.parse('2026-11-21T09:00:00Z')
const config = { defaultTtlMinutes: undefined }

interface World {
  instance?: Stored<ChallengeInstance>
  clock?: ClockState
  causes?: readonly Cause[]
  uids?: readonly string[]
  /** Milliseconds from the end until the present. */
  afterMs?: number
  /** How far the known time of the API server is behind this clock. */
  behindMs?: number
  /** The answers to the deletions, the first one first. The last one stays. */
  deletions?: readonly ('deleting' | 'conflict' | 'gone' | OperatorError)[]
  /** What the message says of the instance in version `7`. */
  seen?: Partial<SeenEnd & { uid: string; resourceVersion: string }>
  template?: Stored<ChallengeTemplate>
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
async function passOf({ instance = living(), deletions = ['deleting'], ...world }: World) {
  const calls: string[] = []
  const answers = [...deletions]
  const started = Date.now()
  const now = () => end + (world.afterMs ?? 0) + (Date.now() - started)
  const cluster = {
    getCached: async () => {
      calls.push('cached')
      return instance
    },
    get: async ({ kind }: ObjectReference) => {
      calls.push(kind === 'ChallengeInstance' ? 'read' : 'template')
      return kind === 'ChallengeInstance' ? instance : (world.template ?? template)
    },
    putStatus: async (written: Stored<ChallengeInstance>) => {
      calls.push(`status ${written.status?.expiresAt} ${written.status?.creditMinutes ?? 0}`)
      return { ...written, metadata: { ...written.metadata, resourceVersion: '2' } }
    },
    delete: async (_: unknown, preconditions: object) => {
      calls.push(`delete ${JSON.stringify(preconditions)}`)
      const answer = answers.length > 1 ? answers.shift() : answers[0]
      if (answer instanceof OperatorError) throw answer
      return answer
    },
  } as unknown as Cluster
  const readClock = async () => world.clock ?? openClock
  const reached = () => now() - (world.behindMs ?? 0)
  const endOnTime = createEndOnTime({ cluster, config, readClock, now, reached, log: silentLog })
  const pass = somePass({
    namespace: instance.metadata.namespace,
    uids: world.uids ?? [instance.metadata.uid],
    causes: new Set(world.causes ?? ['expiry']),
    seenEnd: world.seen && { ...seen, ...world.seen },
  })
  const found = await endOnTime(pass, signal).catch((thrown: OperatorError) => thrown.message)
  return { found, calls }
}

const seen = {
  ...{ uid: 'instance-uid', resourceVersion: '7' },
  ...{ at: end, createdAt: end - 3_600_000, template: living().spec.templateRef },
  ...{ revision: revisionName(template), event: 1, team: 1 },
}
const seenDeletion = 'delete {"uid":"instance-uid","resourceVersion":"7"}'

const deletion = 'delete {"uid":"instance-uid","resourceVersion":"1"}'

describe('a pass that was sent for an end', () => {
  it('marks the instance in the version that it has read, and does nothing else', async () => {
    expect(await passOf({})).toEqual({ found: 'ended', calls: ['cached', 'template', deletion] })
  })

  it('waits until the API server has reached the end', async () => {
    expect(await passOf({ behindMs: 30 })).toEqual({
      found: 'ended',
      calls: ['cached', 'template', deletion],
    })
    expect(await passOf({ afterMs: -30 })).toEqual({
      found: 'ended',
      calls: ['cached', 'template', deletion],
    })
  })

  it('leaves an instance whose end was moved to the whole pass', async () => {
    const renewed = living({ spec: { expiresAt: new Date(end + 60_000).toISOString() } })
    expect(await passOf({ instance: renewed })).toEqual({ found: 'open', calls: ['cached', 'template'] })
    const credits = [{ id: 'outage', minutes: 20, at: end - 60_000 }]
    expect((await passOf({ clock: { ...openClock, credits } })).found).toBe('open')
  })

  it('writes an end that the status does not have before it marks the instance', async () => {
    const credits = [{ id: 'minus', minutes: -20, at: end - 60_000 }]
    expect(await passOf({ clock: { ...openClock, credits } })).toEqual({
      found: 'ended',
      calls: [...['cached', 'template', 'status 2026-11-21T08:40:00Z -20'], deletion.replace('"1"', '"2"')],
    })
  })

  it('leaves an instance that changed after the read to the whole pass', async () => {
    expect(await passOf({ deletions: ['conflict'] })).toMatchObject({ found: 'open' })
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
    expect(await passOf({ instance: marked })).toEqual({ found: 'ended', calls: ['cached'] })
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

describe('a pass whose message says what its sender saw of the end', () => {
  const inMinutes = (minutes: number) => end + minutes * 60_000
  const templateWith = (spec: Partial<ChallengeTemplate['spec']>) => ({
    ...template,
    spec: { ...template.spec, ...spec },
  })

  it('marks the instance in the version of the message, and reads no instance', async () => {
    expect(await passOf({ seen: {} })).toEqual({ found: 'ended', calls: ['template', seenDeletion] })
    const asked = { at: inMinutes(-5), asked: inMinutes(-5) }
    expect(await passOf({ seen: asked })).toEqual({ found: 'ended', calls: ['template', seenDeletion] })
  })

  it('waits for the end without a read', async () => {
    const times = [{ behindMs: 30 }, { afterMs: -30 }, { afterMs: -20, behindMs: 1_050 }]
    for (const world of times) {
      const { found, calls } = await passOf({ ...world, seen: {} })
      expect({ found, calls: [...new Set(calls)] }).toEqual({
        found: 'ended',
        calls: ['template', seenDeletion],
      })
    }
  })

  it.each<[string, World]>([
    [
      'a credit has moved',
      { clock: { ...openClock, credits: [{ id: 'a', minutes: 20, at: end - 60_000 }] } },
    ],
    ['waits for the pause of the clock', { clock: { ...openClock, paused: true } }],
    ['the template has moved without a new generation', { template: templateWith({ ttlMinutes: 90 }) }],
    [
      'the template may have moved',
      { template: { ...template, metadata: { ...template.metadata, generation: 2 } } },
    ],
    ['is not over by what the message says itself', { seen: { asked: inMinutes(10) } }],
    ['has no date', { seen: { createdAt: 0, asked: inMinutes(1) } }],
  ])('leaves an end that %s to the whole pass, without a deletion', async (_, world) => {
    expect(await passOf({ seen: {}, ...world })).toEqual({ found: 'open', calls: ['template'] })
  })

  it('reads an instance that has changed since, and judges it anew', async () => {
    const deletions = ['conflict', 'deleting'] as const
    const again = await passOf({ seen: {}, deletions })
    expect(again).toEqual({ found: 'ended', calls: ['template', seenDeletion, 'read', deletion] })
    const instance = living({ spec: { expiresAt: new Date(inMinutes(1)).toISOString() } })
    const renewed = await passOf({ seen: {}, deletions, instance })
    expect(renewed).toEqual({ found: 'open', calls: ['template', seenDeletion, 'read'] })
    const marked = living({ metadata: { deletionTimestamp: '2026-11-21T09:00:00Z' } })
    const repeated = await passOf({ seen: {}, deletions, instance: marked })
    expect(repeated).toEqual({ found: 'ended', calls: ['template', seenDeletion, 'read'] })
  })

  it('reads an instance whose end has to be reported first', async () => {
    const cut = templateWith({ availableUntil: new Date(inMinutes(-1)).toISOString() })
    expect((await passOf({ seen: {}, template: cut })).calls.slice(0, 3)).toEqual([
      ...['template', 'read', 'status 2026-11-21T08:59:00Z 0'],
    ])
  })

  it('leaves an instance that is gone to the whole pass', async () => {
    expect((await passOf({ seen: {}, deletions: ['gone'] })).found).toBe('open')
  })

  it('believes nothing without a version, and nothing about another instance of that name', async () => {
    for (const seen of [{ resourceVersion: '' }, { uid: 'predecessor' }])
      expect(await passOf({ seen })).toEqual({ found: 'ended', calls: ['cached', 'template', deletion] })
    expect(await passOf({ seen: {}, uids: ['predecessor', 'instance-uid'] })).toMatchObject({ found: 'open' })
  })

  it('repeats a deletion that the API server has refused for now, and fails after three refusals', async () => {
    const refused = (retryAfterMs?: number) =>
      new OperatorError('ClusterUnavailable', 'too much', retryAfterMs === undefined ? {} : { retryAfterMs })
    const once = await passOf({ seen: {}, deletions: [refused(5), 'deleting'] })
    expect(once).toEqual({ found: 'ended', calls: ['template', seenDeletion, seenDeletion] })
    const always = await passOf({ seen: {}, deletions: [refused(5)] })
    expect(always).toEqual({ found: 'too much', calls: ['template', ...Array(3).fill(seenDeletion)] })
    const forLong = await passOf({ seen: {}, deletions: [refused(60_000)] })
    expect(forLong).toEqual({ found: 'too much', calls: ['template', seenDeletion] })
    expect((await passOf({ seen: {}, deletions: [refused()] })).found).toBe('open')
  })
})

it('a pass for another reason reads nothing', async () => {
  expect(await passOf({ causes: ['changed'] })).toEqual({ found: 'open', calls: [] })
})
