import { expect, it } from 'vitest'
import { claimInHeader, expectedSignature } from '../../../support/aws/signature.ts'

/** The example of "Signature Version 4 signing process" in the AWS General Reference. */
const example = {
  method: 'GET',
  url: new URL('https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08'),
  headers: {
    host: 'iam.amazonaws.com',
    'content-type': 'application/x-www-form-urlencoded; charset=utf-8',
    'x-amz-date': '20150830T123600Z',
    authorization:
      'AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, SignedHeaders=content-type;host;x-amz-date, Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7',
  },
  body: '',
}

it('computes the signature of the example that AWS documents', () => {
  const claim = claimInHeader(example)
  if (claim === undefined) throw new Error('the example is signed')
  expect(claim).toMatchObject({ accessKeyId: 'AKIDEXAMPLE', service: 'iam', time: '20150830T123600Z' })
  const secret = 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY'
  expect(expectedSignature(example, claim, secret)).toBe(claim.signature)
})
