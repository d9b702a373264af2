import type { CredentialSource } from './credentials.ts'

/** A connection, looked up: all the files read that do not change. */
export interface Endpoint {
  /** Origin and, behind some proxies, a path; without a slash at its end. */
  server: string
  tls: TlsSettings
  /** http(s) proxy. */
  proxy?: string
  /** Sent with every request beside the credentials. */
  headers: Record<string, string>
  credentials: CredentialSource
}

export interface TlsSettings {
  ca?: string
  servername?: string
  rejectUnauthorized?: boolean
}
