import { readFile } from 'node:fs/promises'
import { unusableConnection } from './unusable-connection.ts'

/** What proves who we are, for one request. */
export interface Credential {
  /** Value of the header of this name. */
  authorization?: string
  /** PEM of a client certificate and its key. */
  cert?: string
  key?: string
}

/** `fresh`: the last credential was refused, a cached one is of no use. */
export type CredentialSource = (fresh: boolean, signal: AbortSignal) => Promise<Credential>

/** A bearer token, from a cache or, if `fresh` is wanted because the last one was refused, a new one. */
export type TokenSource = (fresh: boolean, signal: AbortSignal) => Promise<string>

export function fixedCredentials(credential: Credential): CredentialSource {
  return async () => credential
}

export function tokenCredentials(token: TokenSource): CredentialSource {
  return async (fresh, signal) => ({ authorization: `Bearer ${await token(fresh, signal)}` })
}

/** client-go's: kubelet renews a projected token long before it ends. */
const rereadMs = 60_000

/** A token that somebody else renews in a file. */
export function fileToken(path: string, now: () => number): TokenSource {
  let read: { token: string; at: number } | undefined
  return async fresh => {
    if (read && !fresh && now() - read.at < rereadMs) return read.token
    try {
      const token = (await readFile(path, 'utf8')).trim()
      if (token === '') throw new Error('it is empty')
      read = { token, at: now() }
      return token
    } catch (thrown) {
      throw unusableConnection(`The token file ${path} cannot be read: ${reasonOf(thrown)}.`, thrown)
    }
  }
}

/** A certificate or the like that a plugin gave, until shortly before it ends. */
export interface Expiring {
  credential: Credential
  /** Epoch milliseconds; undefined: no end is known. */
  expiresAt: number | undefined
}

/** A credential must outlive the request that carries it. */
const marginMs = 30_000

/** Runs `obtain` once for all who wait, and again when its credential ends or was refused. */
export function cachedCredentials(
  obtain: (signal: AbortSignal) => Promise<Expiring>,
  now: () => number,
): CredentialSource {
  let cached: Expiring | undefined
  let pending: Promise<Expiring> | undefined
  return async (fresh, signal) => {
    const usable = cached && (cached.expiresAt === undefined || cached.expiresAt - marginMs > now())
    if (cached && usable && !fresh) return cached.credential
    pending ??= obtain(signal).finally(() => {
      pending = undefined
    })
    cached = await pending
    return cached.credential
  }
}

/** The system's sentence without its path and call: `ENOENT: no such file or directory`. */
export function reasonOf(thrown: unknown): string {
  const message = thrown instanceof Error ? thrown.message : String(thrown)
  return message.replace(/, \w+ '.*'$/, '').slice(0, 200)
}
