import { describe, expect, it } from 'vitest'
import { keptMs, openRotatingSecret, renewalPauseMs, retryMs } from '../../../lib/aws/rotating-secret.ts'
import { recordedLog } from '../../support/recorded-log.ts'

/** A secret whose service can be away, at a time that the test sets. */
function rotating(first: string) {
  const world = { value: first as string | undefined, now: 1_000_000, reads: 0 }
  const { log, lines } = recordedLog()
  const secret = openRotatingSecret({
    read: async () => {
      world.reads += 1
      if (world.value === undefined) throw new Error('away')
      return world.value
    },
    log,
    variable: 'DATABASE_URL_SECRET_ARN',
    now: () => world.now,
  })
  return { world, secret, lines }
}

describe('a secret that may rotate', () => {
  it('is read at its first use, once for all that ask at the same time', async () => {
    const { world, secret } = rotating('one')
    expect(world.reads).toBe(0)
    expect(await Promise.all([secret.value(), secret.value(), secret.value()])).toEqual(['one', 'one', 'one'])
    expect(world.reads).toBe(1)
  })

  it('is read again after its time, and not before', async () => {
    const { world, secret } = rotating('one')
    await secret.value()
    world.value = 'two'
    world.now += keptMs - 1
    expect(await secret.value()).toBe('one')
    world.now += 1
    expect(await secret.value()).toBe('two')
    expect(world.reads).toBe(2)
  })

  it('is read again at once when its value was refused', async () => {
    const { world, secret } = rotating('one')
    await secret.value()
    world.value = 'two'
    world.now += renewalPauseMs
    expect(await secret.renew('one')).toBe(true)
    expect(await secret.value()).toBe('two')
    // Another connection was refused with the value from before.
    expect(await secret.renew('one')).toBe(true)
    expect(world.reads).toBe(2)
  })

  it('is not read for each connection that a wrong value costs', async () => {
    const { world, secret } = rotating('wrong')
    await secret.value()
    for (let refused = 0; refused < 5; refused += 1) expect(await secret.renew('wrong')).toBe(false)
    expect(world.reads).toBe(1)
    world.now += renewalPauseMs
    expect(await secret.renew('wrong')).toBe(false)
    expect(world.reads).toBe(2)
  })

  it('stays in use while the service is away, which is logged and asked again later', async () => {
    const { world, secret, lines } = rotating('one')
    await secret.value()
    world.value = undefined
    world.now += keptMs
    expect(await secret.value()).toBe('one')
    expect(await secret.value()).toBe('one')
    expect(world.reads).toBe(2)
    expect(lines.map(line => line.message)).toEqual(['secret not read again; the last value stays in use'])
    expect(JSON.stringify(lines)).not.toContain('"one"')
    world.now += renewalPauseMs
    expect(await secret.renew('one')).toBe(false)
    world.value = 'two'
    world.now += retryMs
    expect(await secret.value()).toBe('two')
  })

  it('that was never read is asked for by the next caller', async () => {
    const { world, secret } = rotating('one')
    world.value = undefined
    await expect(secret.value()).rejects.toThrow('away')
    world.value = 'one'
    expect(await secret.value()).toBe('one')
  })
})
