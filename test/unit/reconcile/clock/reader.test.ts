import { describe, expect, it } from 'vitest'
import { takeUp } from '../../../../lib/clock/kept.ts'
import { clockName, clockStateName, openClock } from '../../../../lib/clock/state.ts'
import { noClock } from '../../../../lib/clock/version.ts'
import type { ConfigMap, Stored } from '../../../../lib/crd/objects.ts'
import type { Cluster } from '../../../../lib/kubernetes/cluster.ts'
import { createClockReader } from '../../../../lib/reconcile/clock/reader.ts'

const start = Date.parse('2026-11-29T20:00:00Z')
const signal = AbortSignal.timeout(60_000)

function configMap(name: string, resourceVersion: string, data: Record<string, string>): Stored<ConfigMap> {
  const metadata = { name, namespace: 'ops', uid: name, resourceVersion, creationTimestamp: '' }
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata, data } as Stored<ConfigMap>
}

const kept = (version: string, data: Record<string, string>) =>
  configMap(clockStateName, version, {
    ...takeUp('ops', configMap(clockName, version, data), undefined, start)?.kept.data,
  })

/** A reader over ConfigMaps that the test changes, at a time that it sets. */
function sandbox() {
  const stored = new Map<string, Stored<ConfigMap>>()
  const world = { now: start, calls: 0 }
  const get = async ({ name }: { name: string }) => {
    world.calls += 1
    return stored.get(name)
  }
  const cluster = { get, getMetadata: get } as unknown as Cluster
  const read = createClockReader({ cluster, namespace: 'ops', now: () => world.now })
  return {
    world,
    put: (object: Stored<ConfigMap>) => void stored.set(object.metadata.name, object),
    remove: (name: string) => void stored.delete(name),
    /** Reads for a message with this version that was sent some milliseconds ago; undefined: without one. */
    read: (version?: string, ageMs = 0) =>
      read(
        version === undefined ? undefined : { version, at: new Date(world.now - ageMs).toISOString() },
        signal,
      ),
  }
}

describe('the reader of the clock', () => {
  it('makes no call for fresh messages with the version that it holds, or an older one', async () => {
    const { world, put, read } = sandbox()
    put(kept('9', { paused: 'true' }))
    expect((await read('9')).paused).toBe(true)
    for (let minute = 0; minute < 10; minute++) {
      world.now += 60_000
      expect((await read('9')).paused).toBe(true)
      expect((await read('8')).paused).toBe(true)
    }
    expect(world.calls).toBe(1)
  })

  it('reads at once for a newer version', async () => {
    const { world, put, read } = sandbox()
    put(kept('9', {}))
    await read('9')
    put(kept('10', { lockdown: 'true' }))
    expect((await read('10')).lockdown).toBe(true)
    expect((await read('9')).lockdown).toBe(true)
    expect(world.calls).toBe(2)
  })

  it('reads at most once in five seconds for messages without a version', async () => {
    const { world, put, read } = sandbox()
    put(kept('9', {}))
    for (let pass = 0; pass < 40; pass++) {
      await read()
      world.now += 500
    }
    expect(world.calls).toBe(4)
  })

  it('follows a state whose version has gone back, as after a restore of etcd', async () => {
    const { world, put, read } = sandbox()
    put(kept('5000', {}))
    await read('5000')
    put(kept('3000', { paused: 'true' }))
    world.now += 5_000
    expect((await read('3000')).paused).toBe(true)
    put(kept('3001', {}))
    expect((await read('3001')).paused).toBe(false)
  })

  it('reads once for messages that are handled at the same time', async () => {
    const { world, put, read } = sandbox()
    put(kept('9', { paused: 'true' }))
    const states = await Promise.all(Array.from({ length: 20 }, () => read('9', 10_000)))
    expect(states.map(({ paused }) => paused)).toEqual(Array(20).fill(true))
    expect(world.calls).toBe(1)
    world.now += 20_000
    await Promise.all(Array.from({ length: 20 }, () => read()))
    expect(world.calls).toBe(2)
  })

  it('does not share a read that began before a newer version was known', async () => {
    const { world, put, read } = sandbox()
    put(kept('9', {}))
    const early = read('9')
    put(kept('10', { lockdown: 'true' }))
    expect((await read('10')).lockdown).toBe(true)
    await early
    expect(world.calls).toBe(2)
    expect((await read('10')).lockdown).toBe(true)
  })

  it('does not take an old message for the word of now', async () => {
    const { world, put, read } = sandbox()
    put(kept('9', {}))
    await read('9')
    world.now += 20_000
    put(kept('10', { paused: 'true' }))
    expect((await read('9', 10_000)).paused).toBe(true)
    expect(world.calls).toBe(2)
  })

  it('believes a fresh message that there is no clock', async () => {
    const { world, put, read } = sandbox()
    for (let pass = 0; pass < 5; pass++) expect(await read(noClock)).toEqual(openClock)
    expect(world.calls).toBe(0)
    put(kept('3', { paused: 'true' }))
    world.now += 6_000
    expect((await read(noClock, 5_500)).paused).toBe(true)
    expect((await read(noClock)).paused).toBe(true)
  })

  it('finds an open clock where there are no ConfigMaps', async () => {
    expect(await sandbox().read()).toEqual(openClock)
  })

  it('knows nothing while the state is gone, and goes on when it is written anew', async () => {
    const { world, put, remove, read } = sandbox()
    put(kept('9', { paused: 'true' }))
    put(configMap(clockName, '8', { paused: 'true' }))
    await read()
    world.now += 10_000
    remove(clockStateName)
    await expect(read()).rejects.toMatchObject({ reason: 'ClusterUnavailable', fate: 'retryable' })
    put(kept('11', { paused: 'true' }))
    expect((await read()).paused).toBe(true)
  })

  it('knows nothing where a message has seen a state that is gone, also without the ConfigMap of the organiser', async () => {
    await expect(sandbox().read('9')).rejects.toThrow('is gone')
  })

  it('knows nothing while the state is unreadable', async () => {
    const { put, read } = sandbox()
    put(configMap(clockStateName, '9', { credits: 'x' }))
    await expect(read('9')).rejects.toThrow('cannot be read')
  })
})
