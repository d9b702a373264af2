import { expect, it } from 'vitest'
import { loadDriver, openDatabase, warmUp } from '../../../lib/store/database.ts'
import { examine } from '../../../lib/store/examine.ts'

it('a warm-up of a database that is away fails nobody, and the first query tells of it', async () => {
  await loadDriver()
  // Nothing listens on this port.
  const database = openDatabase({ url: 'postgres://a:b@127.0.0.1:1/x' })
  await expect(warmUp(database, AbortSignal.timeout(10_000))).resolves.toBeUndefined()
  await expect(examine(database, AbortSignal.timeout(10_000))).rejects.toMatchObject({
    reason: 'DatabaseUnavailable',
  })
  await database.destroy()
})
