import { readFile } from 'node:fs/promises'
import { OperatorError } from '../../errors.ts'

/** Authenticates one request. */
export interface Credential {
  /** Value of the `Authorization` header. */
  authorization?: string
  /** Client certificate, PEM. */
  cert?: string
  /** The certificate's key, PEM. */
  key?: string
}

/** Returns a credential. `fresh` means that the server refused the last one, so a cached one must not be returned. */
export type CredentialSource = (options: { fresh: boolean }, signal: AbortSignal) => Promise<Credential>

/** Returns a bearer token. `fresh` means that the server refused the last one, so a cached one must not be returned. */
export type TokenSource = (options: { fresh: boolean }, signal: AbortSignal) => Promise<string>

export function fixedCredentials(credential: Credential): CredentialSource {
  return async () => credential
}

export function tokenCredentials(token: TokenSource): CredentialSource {
  return async (options, signal) => ({ authorization: `Bearer ${await token(options, signal)}` })
}

/** The interval of client-go. The kubelet renews a projected token long before it expires. */
const rereadMs = 60_000

/** Reads a token from a file that another process renews, such as the kubelet. */
export function fileToken(path: string, now: () => number): TokenSource {
  let read: { token: string; at: number } | undefined
  return async ({ fresh }) => {
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

/** A credential that expires, as a plugin returns it. */
export interface Expiring {
  credential: Credential
  /** Epoch milliseconds; undefined if no end is known. */
  expiresAt: number | undefined
}

/** A credential must outlive the request that carries it. */
const marginMs = 30_000

/**
 * Caches what `obtain` returns until shortly before it expires, or until the server refuses it. Concurrent callers share
 * one run of `obtain`.
 */
export function cachedCredentials(
  obtain: (signal: AbortSignal) => Promise<Expiring>,
  now: () => number,
): CredentialSource {
  let cached: Expiring | undefined
  let pending: Promise<Expiring> | undefined
  return async ({ fresh }, signal) => {
    const usable = cached && (cached.expiresAt === undefined || cached.expiresAt - marginMs > now())
    if (cached && usable && !fresh) return cached.credential
    pending ??= obtain(signal).finally(() => {
      pending = undefined
    })
    cached = await pending
    return cached.credential
  }
}

/** Returns an error of the files or settings of a connection. Only a change of them helps. */
export function unusableConnection(message: string, cause?: unknown): OperatorError {
  return new OperatorError('OperatorMisconfigured', message, { cause })
}

/** Returns the sentence of the system without path and call, such as `ENOENT: no such file or directory`. */
export function reasonOf(thrown: unknown): string {
  const message = thrown instanceof Error ? thrown.message : String(thrown)
  return message.replace(/, \w+ '.*'$/, '').slice(0, 200)
}
