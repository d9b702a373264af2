import { expect, test } from 'vitest'
import type { OutgoingChange } from '../../../../lib/aws/queue-ports.ts'
import type { PendingChange, Urgency } from '../../../../lib/forward/send/send-queue.ts'
import { createSender } from '../../../../lib/forward/send/sender.ts'
import { silentLog } from '../../../../lib/telemetry/log.ts'
import { start, virtualTime } from '../virtual-time.ts'

function pending(name: string, { version = '1', urgency = 'first' as Urgency } = {}): PendingChange {
  const change: OutgoingChange = {
    change: {
      v: 1,
      namespace: 'ctf',
      name,
      uid: `uid-${name}`,
      resourceVersion: version,
      cause: 'changed',
      attempt: 0,
      at: new Date(start).toISOString(),
    },
    deduplicationId: `${name}-${version}`,
  }
  return { subject: name, change, urgency }
}

/** A sender on a virtual clock, whose queue answers with the refused changes. */
function setUp(
  answer: (changes: OutgoingChange[], signal: AbortSignal) => Promise<OutgoingChange[]>,
  seams: { maySend?: () => boolean } = {},
) {
  const time = virtualTime()
  const stop = new AbortController()
  const lines: string[] = []
  const log = {
    ...silentLog,
    warn: (line: string) => lines.push(line),
    info: (line: string) => lines.push(line),
  }
  const sender = createSender(
    { changes: { sendBatch: answer }, log, random: () => 1, timers: time.timers, now: time.now, ...seams },
    stop.signal,
  )
  return { ...time, sender, stop, lines }
}

test('the sender puts changes of one turn into batches of ten', async () => {
  const batches: number[] = []
  const world = setUp(async changes => {
    batches.push(changes.length)
    return []
  })
  for (let index = 0; index < 25; index++) world.sender.put(pending(String(index)))
  await world.advance()
  expect(batches).toEqual([10, 10, 5])
})

test('ends that come due one after the other share requests, also while something else waits for longer', async () => {
  const batches: string[][] = []
  const world = setUp(async changes => {
    batches.push(changes.map(({ change }) => change.name))
    return []
  })
  world.sender.put(pending('torn', { urgency: 'teardown' }))
  for (let index = 0; index < 24; index++) {
    world.sender.put(pending(`over-${index}`, { urgency: 'end' }))
    if (index === 0) world.sender.put(pending('torn later', { urgency: 'teardown' }))
    await world.advance(2)
  }
  await world.advance(100)
  expect(batches.map(({ length }) => length)).toEqual([1, 10, 10, 3])
  expect(batches.flat()).toEqual(Array.from({ length: 24 }, (_, index) => `over-${index}`))
})

test('the sender has at most four batches under way, and never two changes of one instance', async () => {
  const open: { names: string[]; answer: () => void }[] = []
  const world = setUp(
    changes =>
      new Promise(resolve => {
        open.push({ names: changes.map(each => each.change.name), answer: () => resolve([]) })
      }),
  )
  for (let index = 0; index < 60; index++) world.sender.put(pending(String(index)))
  await world.advance()
  expect(open).toHaveLength(4)
  world.sender.put(pending('0', { version: '2' }))
  for (const each of open.splice(1)) each.answer()
  await world.advance()
  expect(open.slice(1).flatMap(each => each.names)).not.toContain('0')
  for (const each of open) each.answer()
  await world.advance()
  expect(open.at(-1)?.names).toEqual(['0'])
})

test('the sender tries refused changes again after 0.5 s doubling to 30 s, and logs that once', async () => {
  const tries: number[] = []
  let refuses = true
  const world = setUp(async changes => {
    tries.push(world.now() - start)
    return refuses ? changes : []
  })
  world.sender.put(pending('a'))
  await world.advance(100_000)
  expect(tries).toEqual([0, 500, 1_500, 3_500, 7_500, 15_500, 31_500, 61_500, 91_500])
  refuses = false
  await world.advance(30_000)
  expect(world.sender.pending).toBe(0)
  expect(world.lines).toHaveLength(2)
})

test('a refused change never overtakes or replaces a newer one', async () => {
  const accepted: string[] = []
  let refusals = 1
  const world = setUp(async changes => {
    if (refusals-- > 0) {
      world.sender.put(pending('a', { version: '2' }))
      throw new Error('no')
    }
    accepted.push(...changes.map(each => each.deduplicationId))
    return []
  })
  world.sender.put(pending('a'))
  await world.advance(10_000)
  expect(accepted).toEqual(['a-2'])
})

test('drained waits while two thousand changes are pending', async () => {
  let refuses = true
  const world = setUp(async changes => (refuses ? changes : []))
  for (let index = 0; index < 3_000; index++) world.sender.put(pending(String(index)))
  let room = false
  const waited = world.sender.drained(world.stop.signal).then(() => {
    room = true
  })
  await world.advance(60_000)
  expect([room, world.sender.pending]).toEqual([false, 3_000])
  refuses = false
  await world.advance(60_000)
  await waited
  expect([room, world.sender.pending]).toEqual([true, 0])
})

test('changes that start work wait for a place, which an effect or five seconds free; others go first', async () => {
  const accepted: string[] = []
  const world = setUp(async changes => {
    accepted.push(...changes.map(each => each.change.name))
    return []
  })
  for (let index = 0; index < 500; index++) world.sender.put(pending(String(index), { urgency: 'start' }))
  await world.advance()
  expect(accepted).toHaveLength(200)
  world.sender.put(pending('ready'))
  await world.advance(1_000)
  expect(accepted.slice(200)).toEqual(['ready'])
  for (let index = 0; index < 9; index++) world.sender.effectSeen(String(index))
  await world.advance()
  // Nothing is sent before there are places for a whole batch.
  expect(accepted).toHaveLength(201)
  for (let index = 9; index < 20; index++) world.sender.effectSeen(String(index))
  await world.advance()
  expect(accepted).toHaveLength(221)
  await world.advance(3_999)
  expect(accepted).toHaveLength(221)
  await world.advance(1)
  expect(accepted).toHaveLength(401)
  expect(world.sender.pending).toBe(100)
})

test('places are kept for longer where effects take longer', async () => {
  const accepted: string[] = []
  const world = setUp(async changes => {
    accepted.push(...changes.map(each => each.change.name))
    return []
  })
  for (let index = 0; index < 500; index++) world.sender.put(pending(String(index), { urgency: 'start' }))
  await world.advance(4_000)
  for (let index = 0; index < 10; index++) world.sender.effectSeen(String(index))
  await world.advance(3_999)
  expect(accepted).toHaveLength(210)
  await world.advance(1)
  expect(accepted).toHaveLength(400)
})

test('changes that wait for a limit do not delay drained, and flushed sends them', async () => {
  let sent = 0
  const world = setUp(async changes => {
    sent += changes.length
    return []
  })
  for (let index = 0; index < 3_000; index++) world.sender.put(pending(String(index), { urgency: 'start' }))
  await world.advance()
  await world.sender.drained(world.stop.signal)
  expect(sent).toBe(200)
  const flushed = world.sender.flushed(world.stop.signal)
  await world.advance()
  await flushed
  expect(sent).toBe(3_000)
})

test('flushed ends with the signal', async () => {
  const world = setUp(async changes => changes)
  world.sender.put(pending('a'))
  const waited = world.sender.flushed(world.stop.signal)
  world.stop.abort()
  await expect(waited).resolves.toBeUndefined()
})

test('nothing is sent while it may not be, and everything once it may', async () => {
  const accepted: string[] = []
  let may = false
  const world = setUp(
    async changes => {
      accepted.push(...changes.map(each => each.change.name))
      return []
    },
    { maySend: () => may },
  )
  world.sender.put(pending('a'))
  await world.advance(10_000)
  expect(accepted).toEqual([])
  may = true
  world.sender.resume()
  await world.advance()
  expect(accepted).toEqual(['a'])
})

test('requests under way are broken off when they are interrupted, and sent again without a pause or a warning', async () => {
  const tries: string[][] = []
  const world = setUp((changes, signal) => {
    tries.push(changes.map(each => each.change.name))
    if (tries.length > 1) return Promise.resolve([])
    return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
  })
  world.sender.put(pending('a'))
  await world.advance()
  world.sender.interrupt()
  await world.advance()
  expect(tries).toEqual([['a'], ['a']])
  expect(world.lines).toEqual([])
})

test('the sender has ended only when no request is under way', async () => {
  let answer = (_: OutgoingChange[]) => {}
  const world = setUp(() => new Promise(resolve => (answer = resolve)))
  world.sender.put(pending('a'))
  await world.advance()
  world.stop.abort()
  let ended = false
  const done = world.sender.ended().then(() => {
    ended = true
  })
  await world.advance()
  expect(ended).toBe(false)
  answer([])
  await done
})
