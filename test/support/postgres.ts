import { type Postgres, startPostgres } from '../../local/parts/postgres.ts'
import { temporaryFolder } from './temporary-folder.ts'

/** Starts a server of the test file's own, for tests that break it. `stop` removes its files. */
export async function startTestPostgres(
  signal: AbortSignal = new AbortController().signal,
): Promise<Postgres> {
  const folder = await temporaryFolder('postgres')
  try {
    const options = { directory: folder.path, env: process.env, unsafeNoFsync: true }
    const postgres = await startPostgres(options, signal)
    return {
      ...postgres,
      get pid() {
        return postgres.pid
      },
      async stop() {
        await postgres.stop()
        await folder.remove()
      },
    }
  } catch (thrown) {
    await folder.remove()
    throw thrown
  }
}
