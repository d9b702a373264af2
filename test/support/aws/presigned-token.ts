import { serviceHost } from '../../../lib/aws/partition.ts'
import { openSigner } from '../../../lib/aws/signer.ts'
import type { Credentials } from './iam.ts'

export interface TokenParts {
  credentials: Credentials
  cluster: string
  region: string
  /** Default: now. */
  signedAt?: Date
  host?: string
  path?: string
  action?: string
  expiresIn?: number
  /** Default: the header with the cluster's name. */
  signedHeaders?: Record<string, string>
}

/** Makes a token of EKS as anybody could make it, with the SDK's signer. */
export async function presignedToken(parts: TokenParts): Promise<string> {
  const { credentials, cluster, region, signedAt: signingDate = new Date(), expiresIn = 60 } = parts
  const { host = serviceHost('sts', region), path = '/', action = 'GetCallerIdentity' } = parts
  const { signedHeaders = { 'x-k8s-aws-id': cluster } } = parts
  const signer = await openSigner({ service: 'sts', region, credentials })
  const { query = {} } = await signer.presign(
    {
      ...{ method: 'GET', protocol: 'https:', hostname: host, path },
      query: { Action: action, Version: '2011-06-15' },
      headers: { host, ...signedHeaders },
    },
    { expiresIn, signingDate, unhoistableHeaders: new Set(Object.keys(signedHeaders)) },
  )
  const encoded = Object.entries(query).map(
    ([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(String(value))}`,
  )
  return `k8s-aws-v1.${Buffer.from(`https://${host}${path}?${encoded.join('&')}`).toString('base64url')}`
}
