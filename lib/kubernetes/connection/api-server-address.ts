import type { CredentialSource } from './credentials.ts'

/** A resolved connection: the files that name the API server have been read. */
export interface ApiServerAddress {
  /** Origin and, behind some proxies, a path, without a trailing slash. */
  server: string
  tls: TlsSettings
  /** URL of an http or https proxy. */
  proxy?: string
  /** Sent with every request, besides the credentials. */
  headers: Record<string, string>
  credentials: CredentialSource
}

export interface TlsSettings {
  ca?: string
  servername?: string
  rejectUnauthorized?: boolean
}
