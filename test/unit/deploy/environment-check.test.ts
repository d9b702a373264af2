import { describe, expect, it } from 'vitest'
import { environmentProblems } from '../../../deploy/plugin/environment-check.ts'
import { plausible, type Resources } from '../../../deploy/plugin/intrinsics.ts'

const resources: Resources = {
  Changes: { Type: 'AWS::SQS::Queue', Properties: { QueueName: 'changes.fifo' } },
  Bus: { Type: 'AWS::Events::EventBus', Properties: { Name: 'ctf' } },
}
const place = { region: 'eu-central-1', stack: 'challenge-operator-ctf' }
const ca = Buffer.from('-----BEGIN CERTIFICATE-----').toString('base64')

/** The variables of a deployment in which nothing is missing. */
const complete = {
  AWS_REGION: 'eu-central-1',
  EKS_CLUSTER_NAME: 'ctf',
  EKS_CLUSTER_ENDPOINT: 'https://a.example',
  EKS_CLUSTER_CA: ca,
  CHANGES_QUEUE_URL: 'https://sqs.eu-central-1.amazonaws.com/123456789012/changes.fifo',
  TIMERS_QUEUE_URL: 'https://sqs.eu-central-1.amazonaws.com/123456789012/timers',
  SWEEPS_QUEUE_URL: 'https://sqs.eu-central-1.amazonaws.com/123456789012/sweeps',
  DEAD_LETTERS_QUEUE_URL: 'https://sqs.eu-central-1.amazonaws.com/123456789012/dead-letters.fifo',
  EVENT_BUS_NAME: 'ctf',
  DATABASE_URL: 'postgres://operator:password@db.example:5432/ctf',
  FLAG_SECRET: 'f'.repeat(64),
}

describe('plausible', () => {
  it.each([
    [{ Ref: 'Changes' }, 'https://sqs.eu-central-1.amazonaws.com/123456789012/changes.fifo'],
    [{ Ref: 'Bus' }, 'ctf'],
    [{ 'Fn::GetAtt': ['Bus', 'Name'] }, 'ctf'],
    [{ 'Fn::GetAtt': ['Changes', 'Arn'] }, 'arn:aws:sqs:eu-central-1:123456789012:changes.fifo'],
    [
      // biome-ignore lint/suspicious/noTemplateCurlyInString: a template of CloudFormation
      { 'Fn::Sub': '${AWS::AccountId}/${AWS::Region}/${AWS::StackName}' },
      '123456789012/eu-central-1/challenge-operator-ctf',
    ],
    ['text', 'text'],
    [5, '5'],
  ])('replaces %j', (value, text) => {
    expect(plausible(value, resources, place)).toBe(text)
  })

  it('refuses a function that it does not know, instead of guessing', () => {
    expect(() => plausible({ 'Fn::ImportValue': 'x' }, resources, place)).toThrow('Fn::ImportValue')
  })
})

describe('environmentProblems', () => {
  it('finds nothing in a complete environment', () => {
    expect(environmentProblems(() => complete)).toEqual([])
  })

  it.each([
    ['EKS_CLUSTER_ENDPOINT', 'EKS_CLUSTER_ENDPOINT (cluster.endpoint) is not set'],
    ['EKS_CLUSTER_CA', 'EKS_CLUSTER_CA (cluster.ca) is not set'],
    ['DATABASE_URL', 'DATABASE_URL (secrets.databaseUrl, or the environment of this command) is not set'],
    ['FLAG_SECRET', 'FLAG_SECRET (secrets.flagSecret, or the environment of this command) is not set'],
  ])('misses %s, and says where it is set and which functions need it', (name, sentence) => {
    const problems = environmentProblems(() => ({ ...complete, [name]: '' }))
    expect(problems).toHaveLength(1)
    expect(problems[0]).toContain(sentence)
    expect(problems[0]).toMatch(/\((watch-forwarder|reconcile)[-, a-z]*\)$/)
  })

  it('says everything at once', () => {
    expect(
      environmentProblems(() => ({ ...complete, EKS_CLUSTER_CA: 'x', DATABASE_URL: '', FLAG_SECRET: '' })),
    ).toHaveLength(3)
  })

  it('refuses more variables than Lambda accepts', () => {
    const [problem] = environmentProblems(() => ({
      ...complete,
      OPERATOR_CLUSTER_CIDRS: Array(400).fill('10.0.0.0/16').join(),
    }))
    expect(problem).toContain('Lambda accepts 4096')
  })
})
