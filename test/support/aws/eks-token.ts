import { serviceHost } from '../../../lib/aws/partition.ts'
import { type Iam, Refused, type RoleSession, signatureLifeMs } from './iam.ts'
import { claimInQuery, signingTime } from './signature.ts'

export interface TokenCheck {
  iam: Iam
  /** The name of the cluster. */
  cluster: string
  region: string
  /** Epoch milliseconds. */
  now: number
}

/** What a presigned URL may ask, in lower case: `parameterWhitelist` of aws-iam-authenticator. */
const parameters = [
  'action',
  'version',
  'x-amz-algorithm',
  'x-amz-credential',
  'x-amz-date',
  'x-amz-expires',
  'x-amz-security-token',
  'x-amz-signature',
  'x-amz-signedheaders',
]

export interface Verified {
  session: RoleSession
  /** Epoch milliseconds. */
  signedAt: number
}

const prefix = 'k8s-aws-v1.'
/** Bytes: `maxTokenLenBytes`. */
const longestToken = 4_096
const clusterHeader = 'x-k8s-aws-id'
/** Milliseconds. STS refuses a signature from further in the future ("Signature not yet current"). */
const aheadMs = 5 * 60_000

/**
 * Checks a token as EKS does, by the rules of `Verify` in aws-iam-authenticator (pkg/token/token.go): prefix, length, host and
 * path of the URL, its parameters, the signed header with the cluster's name, and 15 minutes from `X-Amz-Date`, whatever
 * `X-Amz-Expires` says. EKS then sends the request to STS with its own name of the cluster in the header; here the signature is
 * computed with that name. EKS accepts each regional host of the partition, this check that of the cluster's region only.
 * @throws Refused
 */
export function verifyToken(token: string, { iam, cluster, region, now }: TokenCheck): Verified {
  if (Buffer.byteLength(token) > longestToken) throw malformed('the token is too large')
  if (!token.startsWith(prefix)) throw malformed(`the token does not begin with ${prefix}`)
  const encoded = token.slice(prefix.length)
  if (!/^[\w-]+$/.test(encoded)) throw malformed('the token is not base64url')
  const url = URL.parse(Buffer.from(encoded, 'base64url').toString())
  if (url?.protocol !== 'https:') throw malformed('the token is no https URL')
  const { host, pathname, searchParams: query } = url
  if (host !== serviceHost('sts', region)) throw malformed(`${host} is not the host of STS`)
  if (pathname !== '/') throw malformed(`the path is ${pathname}`)
  const names = [...query.keys()].map(name => name.toLowerCase())
  const unknown = names.filter(name => !parameters.includes(name))
  if (unknown.length > 0 || new Set(names).size < names.length)
    throw malformed(`parameters are unknown or doubled: ${names}`)
  if (query.get('Action') !== 'GetCallerIdentity') throw malformed(`the action is ${query.get('Action')}`)
  const expires = Number(query.get('X-Amz-Expires') ?? Number.NaN)
  if (!(Number.isInteger(expires) && expires >= 0 && expires <= 900))
    throw malformed(`X-Amz-Expires is ${expires}`)
  const claim = claimInQuery(url)
  if (claim?.service !== 'sts' || claim.region !== region) throw malformed('it is not signed for STS')
  if (!claim.signedHeaders.includes(clusterHeader)) throw malformed(`${clusterHeader} is not signed`)
  const signedAt = signingTime(claim.time)
  if (!(now - signedAt <= signatureLifeMs)) throw new Refused('Expired', 'the token is older than 15 minutes')
  if (signedAt - now > aheadMs) throw new Refused('NotYetCurrent', 'the token is signed in the future')
  const headers = { host, [clusterHeader]: cluster }
  return { session: iam.authenticate({ method: 'GET', url, headers, body: '' }, claim), signedAt }
}

function malformed(message: string): Refused {
  return new Refused('FormatError', message)
}
