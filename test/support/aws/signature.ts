import { createHash, createHmac } from 'node:crypto'

/** A request as its receiver sees it. */
export interface ReceivedRequest {
  method: string
  url: URL
  /** Lower-case names. */
  headers: Readonly<Record<string, string | string[] | undefined>>
  body: string | Buffer
}

/** Who signed a request, and what for, as the request itself says. */
export interface SignatureClaim {
  accessKeyId: string
  /** `<date>/<region>/<service>/aws4_request`. */
  scope: string
  region: string
  service: string
  signedHeaders: string[]
  /** `20261130T031500Z`. */
  time: string
  sessionToken: string | undefined
  signature: string
}

const algorithm = 'AWS4-HMAC-SHA256'

/** Reads the claim of a request that is signed by its `Authorization` header. */
export function claimInHeader({ headers }: ReceivedRequest): SignatureClaim | undefined {
  const parts =
    /^AWS4-HMAC-SHA256 Credential=([^,]+), ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/.exec(
      String(headers.authorization ?? ''),
    )
  if (parts === null) return undefined
  const [, credential = '', signedHeaders = '', signature = ''] = parts
  const token = headers['x-amz-security-token']
  return claimOf(credential, {
    signedHeaders,
    signature,
    time: String(headers['x-amz-date'] ?? ''),
    sessionToken: token === undefined ? undefined : String(token),
  })
}

/** Reads the claim of a presigned URL. */
export function claimInQuery(url: URL): SignatureClaim | undefined {
  const { searchParams: query } = url
  if (query.get('X-Amz-Algorithm') !== algorithm) return undefined
  return claimOf(query.get('X-Amz-Credential') ?? '', {
    signedHeaders: query.get('X-Amz-SignedHeaders') ?? '',
    signature: query.get('X-Amz-Signature') ?? '',
    time: query.get('X-Amz-Date') ?? '',
    sessionToken: query.get('X-Amz-Security-Token') ?? undefined,
  })
}

function claimOf(
  credential: string,
  rest: Pick<SignatureClaim, 'signature' | 'time' | 'sessionToken'> & { signedHeaders: string },
): SignatureClaim {
  const [accessKeyId = '', ...scope] = credential.split('/')
  const [, region = '', service = ''] = scope
  const signedHeaders = rest.signedHeaders.split(';')
  return { ...rest, accessKeyId, scope: scope.join('/'), region, service, signedHeaders }
}

/**
 * Computes the signature that a request has to have (Signature Version 4: "Create a signed AWS API request" in the IAM User
 * Guide). It is written without the SDK's signer, so that it does not repeat a fault of the signer.
 */
export function expectedSignature(request: ReceivedRequest, claim: SignatureClaim, secret: string): string {
  const { url, headers } = request
  const query = [...url.searchParams]
    .filter(([name]) => name !== 'X-Amz-Signature')
    .map(([name, value]) => `${encode(name)}=${encode(value)}`)
    .toSorted()
    .join('&')
  const signed = claim.signedHeaders.map(
    name =>
      `${name}:${String(headers[name] ?? '')
        .trim()
        .replace(/ +/g, ' ')}\n`,
  )
  const canonical = [
    request.method,
    url.pathname,
    query,
    signed.join(''),
    claim.signedHeaders.join(';'),
    sha256(request.body),
  ].join('\n')
  const text = [algorithm, claim.time, claim.scope, sha256(canonical)].join('\n')
  const key = claim.scope
    .split('/')
    .reduce<string | Buffer>((each, part) => hmac(each, part), `AWS4${secret}`)
  return hmac(key, text).toString('hex')
}

/** Epoch milliseconds of a time such as `20261130T031500Z`; NaN for another text. */
export function signingTime(time: string): number {
  return Date.parse(time.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'))
}

function sha256(text: string | Buffer): string {
  return createHash('sha256').update(text).digest('hex')
}

function hmac(key: string | Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}

/** RFC 3986. */
function encode(text: string): string {
  const hexadecimal = (each: string) => `%${each.charCodeAt(0).toString(16).toUpperCase()}`
  return encodeURIComponent(text).replace(/[!'()*]/g, hexadecimal)
}
