import { describe, expect, it } from 'vitest'
import { simulatedForwarder } from '../simulated-forwarder.ts'
import { instance, nextVersion } from '../watched-objects.ts'

const beatMs = 30_000

describe('the metrics of a forwarder', () => {
  it('are sent when it leads and at every beat, with the age of the last change and of the most silent watch', async () => {
    const world = simulatedForwarder()
    await world.begin()
    await world.advance(beatMs)
    for (const each of world.handlers.values()) each.onBookmark?.()
    await world.advance(beatMs)
    expect(world.measured.valuesOf('ForwarderLeading')).toEqual([1, 1, 1])
    expect(world.measured.valuesOf('LastEventAge')).toEqual([0, 30, 60])
    expect(world.measured.valuesOf('BookmarkAge')).toEqual([0, 30, 30])
    expect(world.measured.flushed).toHaveLength(3)
    await world.end()
  })

  it('tell of the one watch that stays silent', async () => {
    const world = simulatedForwarder()
    await world.begin()
    for (let beat = 0; beat < 4; beat++) {
      for (const [kind, each] of world.handlers) if (kind !== 'Pod') each.onBookmark?.()
      await world.advance(beatMs)
    }
    expect(world.measured.valuesOf('BookmarkAge')).toEqual([0, 30, 60, 90, 120])
    await world.end()
  })

  it('are not sent by a standby, which says once that it does not lead any more', async () => {
    const world = simulatedForwarder()
    await world.begin()
    world.follow()
    await world.advance(3 * beatMs)
    expect(world.measured.valuesOf('ForwarderLeading')).toEqual([1, 0])
    expect(world.measured.flushed).toHaveLength(1)
    world.lead()
    await world.advance(beatMs)
    expect(world.measured.valuesOf('LeaseChanges')).toEqual([1, 1])
    await world.end()
  })

  it('tell how long the queue took to get a message, also when it refused it first', async () => {
    const world = simulatedForwarder()
    await world.begin()
    world.see(instance('quick'))
    await world.advance()
    world.queue.refuses = true
    world.see(instance('late'))
    await world.advance()
    world.queue.refuses = false
    await world.advance(1_000)
    const [quick, late, ...others] = world.measured.valuesOf('EventToMessageLag')
    expect([quick, others]).toEqual([0, []])
    expect(late).toBeGreaterThan(200)
    await world.end()
  })

  it('count repeated lists and what only they found', async () => {
    const world = simulatedForwarder()
    await world.begin()
    const watched = world.handlers.get('ChallengeInstance')
    watched?.onListed({ repeated: true, found: 0 })
    watched?.onObject(instance('missed', { resourceVersion: nextVersion() }))
    watched?.onListed({ repeated: true, found: 1 })
    expect(world.measured.valuesOf('Relists')).toEqual([1, 1])
    expect(world.measured.valuesOf('FoundByRelist')).toEqual([1])
    await world.end()
  })
})
