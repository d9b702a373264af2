import { expect, it } from 'vitest'
import { rdsToken } from '../../../lib/aws/rds-token.ts'

const user = {
  host: 'ctf.abc.eu-central-1.rds.amazonaws.com',
  port: 5432,
  user: 'operator',
  region: 'eu-central-1',
}
const credentials = { accessKeyId: 'AKIAIOSFODNN7EXAMPLE', secretAccessKey: 'secret' }

/** `generate_db_auth_token` of botocore 1.44.8 with the same user, credentials and time. */
const ofBotocore =
  'ctf.abc.eu-central-1.rds.amazonaws.com:5432/?Action=connect&DBUser=operator&X-Amz-Algorithm=AWS4-HMAC-SHA256' +
  '&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20261130%2Feu-central-1%2Frds-db%2Faws4_request' +
  '&X-Amz-Date=20261130T000000Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host' +
  '&X-Amz-Signature=72063f9de4a2d353479ef070fc4df63e3f5ef99ae67568f7ebf6e526142bfe57'

it('a token for a user of IAM is the one that the tools of AWS make', async () => {
  const parametersOf = (token: string) => Object.fromEntries(new URL(`https://${token}`).searchParams)
  const token = await rdsToken(user, credentials, new Date('2026-11-30T00:00:00Z'))
  expect(parametersOf(token)).toEqual(parametersOf(ofBotocore))
  expect(token.split('?')[0]).toBe(ofBotocore.split('?')[0])
})
