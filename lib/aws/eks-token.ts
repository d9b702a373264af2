import { serviceHost } from './partition.ts'
import { openSigner } from './signer.ts'

/** The cluster that a token is for. */
export interface EksTokenOptions {
  clusterName: string
  region: string
}

/**
 * A token is valid for 15 minutes from its `X-Amz-Date`; `X-Amz-Expires` does not count. It is replaced four minutes earlier,
 * so that no token expires during a request.
 */
const keptMs = 11 * 60_000

/** Makes tokens for an EKS cluster. A token is a presigned GetCallerIdentity request, which the cluster sends to STS. */
export function openEksTokens({ clusterName, region }: EksTokenOptions) {
  let kept: { token: string; until: number } | undefined
  return async ({ fresh }: { fresh: boolean }, _signal: AbortSignal): Promise<string> => {
    if (kept === undefined || fresh || kept.until < Date.now())
      kept = { token: await eksToken(clusterName, region, new Date()), until: Date.now() + keptMs }
    return kept.token
  }
}

async function eksToken(clusterName: string, region: string, signingDate: Date): Promise<string> {
  const signer = await openSigner({ service: 'sts', region })
  const hostname = serviceHost('sts', region)
  const signed = await signer.presign(
    {
      method: 'GET',
      protocol: 'https:',
      hostname,
      path: '/',
      query: { Action: 'GetCallerIdentity', Version: '2011-06-15' },
      headers: { host: hostname, 'x-k8s-aws-id': clusterName },
    },
    { expiresIn: 60, signingDate, unhoistableHeaders: new Set(['x-k8s-aws-id']) },
  )
  const query = Object.entries(signed.query ?? {}).map(
    ([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(String(value))}`,
  )
  const url = `https://${hostname}/?${query.join('&')}`
  return `k8s-aws-v1.${Buffer.from(url).toString('base64url')}`
}
