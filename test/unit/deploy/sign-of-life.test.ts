import { describe, expect, it } from 'vitest'
import { describeEnd, followsDeployment, isEnd, type SweepEnd } from '../../../deploy/plugin/sign-of-life.ts'

const expected = {
  stage: 'prod',
  cluster: 'ctf',
  stack: 'eu-central-1/s',
  deployedAt: '2026-11-30T12:00:00Z',
}
const lease = {
  holder: 'f1',
  since: '2026-11-30T12:00:07Z',
  version: '0.1.0',
  stack: '123456789012/eu-central-1/s',
}
const said = (end: SweepEnd) => describeEnd(end, expected)

describe('describeEnd', () => {
  it('names the holder of the Lease, since when, and its version and stack', () => {
    expect(said({ lease })).toEqual({
      alive: true,
      sentence:
        'The operator is alive: f1 (version 0.1.0 of stack 123456789012/eu-central-1/s) holds the Lease of ctf since 2026-11-30T12:00:07Z.',
    })
  })

  it('says so if a forwarder of before still leads', () => {
    const end = { lease: { ...lease, since: '2026-11-30T11:00:00Z' } }
    expect(followsDeployment(end.lease, expected)).toBe(false)
    expect(said(end)).toMatchObject({
      alive: false,
      sentence: expect.stringContaining('a forwarder of before leads'),
    })
  })

  it('trusts the time of the deployment before that of another clock', () => {
    const early = { ...lease, since: '2026-11-30T11:59:00Z' }
    expect(followsDeployment({ ...early, deployedAt: expected.deployedAt }, expected)).toBe(true)
    expect(followsDeployment({ ...lease, deployedAt: '2026-11-30T11:00:00Z' }, expected)).toBe(false)
  })

  it('says whose the cluster is, and does not wait for that to change', () => {
    const end = { lease: { ...lease, stack: '123456789012/us-east-1/other' } }
    expect(isEnd(end, expected)).toBe(true)
    expect(isEnd({ lease: undefined }, expected)).toBe(false)
    expect(said(end)).toMatchObject({
      alive: false,
      sentence: expect.stringContaining('belongs to the stack 123456789012/us-east-1/other'),
    })
  })

  it('says so if nobody holds the Lease', () => {
    expect(said({ lease: undefined })).toMatchObject({
      alive: false,
      sentence: expect.stringContaining('npx serverless logs -f watch-forwarder --stage prod'),
    })
  })

  it.each([
    ['RequestId: 1 Error: Runtime exited with error: exit status 78', 'configuration cannot be used'],
    ['the API server answered 401: Unauthorized', 'accessEntries: true'],
    ['the API server answered 401: Unauthorized', 'made before its role is of no use'],
    ['the API server answered 403: Forbidden', 'kubectl apply --server-side -k manifests'],
    ['Task timed out after 120.00 seconds', 'docs/deploy-aws.md'],
    ['SchemaOutdated: the cluster has version 3', 'npx challenge-operator crds'],
    ['something else', 'Look at its log (npx serverless logs -f sweep --stage prod)'],
  ])('says what mends "%s"', (failure, mend) => {
    expect(said({ failure })).toMatchObject({ alive: false, sentence: expect.stringContaining(mend) })
  })
})
