import type { IamUser } from '../config/connections.ts'
import { openSigner } from './signer.ts'
import type { SqsClientOptions } from './sqs-client.ts'

/** Seconds. The server accepts a token for this time, and asks for it when a connection begins only. */
const validSeconds = 900

/**
 * Makes the password of one connection to RDS for a user with the role `rds_iam`: a presigned request, which the server
 * checks with IAM. No call is made.
 */
export async function rdsToken(
  { host, port, user, region }: IamUser,
  credentials?: SqsClientOptions['credentials'],
  signingDate = new Date(),
): Promise<string> {
  const signer = await openSigner({ service: 'rds-db', region, credentials })
  const signed = await signer.presign(
    {
      method: 'GET',
      protocol: 'https:',
      hostname: host,
      port,
      path: '/',
      query: { Action: 'connect', DBUser: user },
      headers: { host: `${host}:${port}` },
    },
    { expiresIn: validSeconds, signingDate },
  )
  const query = Object.entries(signed.query ?? {}).map(
    ([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(String(value))}`,
  )
  return `${host}:${port}/?${query.join('&')}`
}
