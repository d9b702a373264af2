import { describe, expect, it } from 'vitest'
import { openClock } from '../../../lib/clock/state.ts'
import { labels } from '../../../lib/crd/group.ts'
import type { Pod, Stored } from '../../../lib/crd/objects.ts'
import { noGround } from '../../../lib/desired/exposure/exposure.ts'
import type { Cluster } from '../../../lib/kubernetes/cluster.ts'
import { observe, observeEnd } from '../../../lib/reconcile/observe.ts'
import type { Revisions } from '../../../lib/reconcile/template/revisions.ts'
import { recordedChild, storedInstance, storedTemplate } from '../../support/objects.ts'
import { somePass } from './passes.ts'

const { signal } = new AbortController()
const store = { lastActiveAt: async () => undefined }
const revisions: Revisions = { keep: async () => {}, read: async () => undefined }

function pod(name: string, metadata: Pod['metadata'] = {}): Stored<Pod> {
  const own = { namespace: 'ctf', uid: name, resourceVersion: '1', creationTimestamp: '2026-11-21T09:00:00Z' }
  const of = { [labels.instanceUid]: 'instance-uid' }
  return { apiVersion: 'v1', kind: 'Pod', metadata: { name, ...own, labels: of, ...metadata } }
}

/** The names of the pods that a pass has asked for, and of those that it observed. */
const exposureGround = async () => ({ ground: noGround, asked: true, wakes: [] })

async function podsOf(existing: Stored<Pod>[], names: { hint?: string; reported?: string }) {
  const asked: string[] = []
  const get = async ({ kind, name }: { kind: string; name: string }) => {
    if (kind !== 'Pod') return undefined
    asked.push(name)
    return existing.find(each => each.metadata.name === name)
  }
  const status = { children: [recordedChild()], ...(names.reported ? { podName: names.reported } : {}) }
  const cluster = { get } as unknown as Cluster
  const pass = somePass({ pod: names.hint })
  const { pods } = await observe(
    { cluster, store, revisions, exposureGround, keepsPod: () => false, config: { flagSecret: undefined } },
    { instance: storedInstance({ status }), clock: openClock },
    pass,
    signal,
  )
  return { asked, pods: pods.map(({ metadata }) => metadata.name) }
}

const going = { deletionTimestamp: '2026-11-21T09:01:00Z' }

describe('the pods that a pass observes', () => {
  it('are the one that the message names, without a further call', async () => {
    const found = await podsOf([pod('old'), pod('new')], { hint: 'new', reported: 'old' })
    expect(found).toEqual({ asked: ['new'], pods: ['new'] })
  })

  it('are the reported one if the message names none', async () => {
    const found = await podsOf([pod('old')], { reported: 'old' })
    expect(found).toEqual({ asked: ['old'], pods: ['old'] })
  })

  it('are the reported one if a late timer names one that is gone', async () => {
    const found = await podsOf([pod('new')], { hint: 'old', reported: 'new' })
    expect(found).toEqual({ asked: ['old', 'new'], pods: ['new'] })
  })

  it('are both if the named one is going', async () => {
    const found = await podsOf([pod('old', going), pod('new')], { hint: 'old', reported: 'new' })
    expect(found).toEqual({ asked: ['old', 'new'], pods: ['old', 'new'] })
  })

  it('are none of a predecessor', async () => {
    const other = pod('old', { labels: { [labels.instanceUid]: 'other' } })
    expect((await podsOf([other], { hint: 'old' })).pods).toEqual([])
  })
})

describe('the observation of an end', () => {
  it('asks for the template, and for nothing of the workload', async () => {
    const asked: string[] = []
    const get = async ({ kind }: { kind: string }) => {
      asked.push(kind)
      return kind === 'ChallengeTemplate' ? storedTemplate() : undefined
    }
    const cluster = { get } as unknown as Cluster
    const instance = storedInstance({ status: { children: [recordedChild()], podName: 'old' } })
    const { template, sources } = await observeEnd(
      { cluster, store, revisions, exposureGround, keepsPod: () => false, config: { flagSecret: undefined } },
      { instance, clock: openClock },
      somePass({ causes: new Set(['expiry']) }),
      signal,
    )
    expect(asked).toEqual(['ChallengeTemplate'])
    expect(template.kind).toBe('read')
    expect(sources).toHaveLength(1)
  })
})
