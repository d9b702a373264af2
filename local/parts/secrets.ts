import { randomBytes, randomUUID } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'

export interface EmbeddedSecrets {
  flagSecret: string
  flagHmacPepper: string
}

/** Returns secrets for local use. They are made once and kept, because flags must not change with every start. */
export async function embeddedSecrets(path: string): Promise<EmbeddedSecrets> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as EmbeddedSecrets
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== 'ENOENT') throw unusable(path, thrown)
  }
  const made = { flagSecret: secret(), flagHmacPepper: secret() }
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, JSON.stringify(made), { mode: 0o600, flag: 'wx' })
  return made
}

/**
 * Returns the name of the installation that keeps its data in this folder. It is made once and kept, so that the next run owns
 * the cluster as this one does.
 */
export async function keptStack(path: string): Promise<string> {
  const kept = await readFile(path, 'utf8').catch(() => '')
  if (kept.trim() !== '') return kept.trim()
  const made = `local/${randomUUID()}`
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, `${made}\n`)
  return made
}

/** Whether an earlier run has left its secrets in this file. */
export async function hasEmbeddedSecrets(path: string): Promise<boolean> {
  const text = await readFile(path, 'utf8').catch(() => '')
  return /^\{"flagSecret":"[0-9a-f]{64}","flagHmacPepper":"[0-9a-f]{64}"\}\s*$/.test(text)
}

function secret(): string {
  return randomBytes(32).toString('hex')
}

function unusable(path: string, cause: unknown): Error {
  return new Error(`${path} cannot be read. Remove it to have new secrets made; flags then change.`, {
    cause,
  })
}
