import type { ClientConfig } from 'pg'
import { isRdsHost } from '../config/rds-host.ts'
import { rdsAuthorities } from './rds-authorities.ts'

/** Parameters of a URL that decide about TLS, in the words of pg. */
const tlsParameters = ['ssl', 'sslmode', 'sslrootcert', 'sslcert', 'sslkey', 'sslnegotiation']

/**
 * Returns the settings of pg that a URL stands for. A host of RDS is called by TLS if the URL does not say otherwise, and
 * the authorities of its region are trusted if the URL names none.
 * @throws an error of the file system if a file that the URL names cannot be read
 */
export async function connectionSettings(text: string): Promise<ClientConfig> {
  const { parseIntoClientConfig } = await import('pg-connection-string')
  const url = withTls(text)
  const settings = parseIntoClientConfig(url)
  const { ssl, host } = settings
  if (!ssl || host === undefined) return settings
  const given = ssl === true ? {} : ssl
  if (given.ca !== undefined || given.rejectUnauthorized === false) return settings
  const ca = await rdsAuthorities(host)
  return ca === undefined ? settings : { ...settings, ssl: { ...given, ca } }
}

/** Adds `sslmode=verify-full` to a URL of RDS that says nothing about TLS. Another URL stays as it is. */
export function withTls(text: string): string {
  const url = URL.parse(text)
  if (url === null || !isRdsHost(url.hostname)) return text
  if (tlsParameters.some(name => url.searchParams.has(name))) return text
  url.searchParams.set('sslmode', 'verify-full')
  return url.href
}
