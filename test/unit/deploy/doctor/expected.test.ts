import { describe, expect, it } from 'vitest'
import { parseTemplate, readExpected } from '../../../../deploy/doctor/expected.ts'
import { parameterOf } from '../../../../deploy/doctor/right-checks.ts'
import { arnOf } from '../../../../deploy/doctor/stack.ts'
import { parseClusterFile } from '../../../../deploy/plugin/cluster-file.ts'
import { sampleClusterFile } from '../../../support/cluster-files.ts'

describe('what a stack is expected to have', async () => {
  const { queues, grants, functions } = await readExpected()

  it('has each queue of deploy/resources/queues.yml', () => {
    expect(Object.keys(queues)).toHaveLength(7)
    expect(queues.ChangesQueue).toEqual({
      isFifo: true,
      visibilitySeconds: 360,
      retentionSeconds: 345_600,
      redrive: { target: 'ChangesDeadLetters', receives: 12 },
    })
    expect(queues.SweepsQueue?.redrive).toBeUndefined()
  })

  it('has what each function is invoked by', () => {
    expect(functions.reconcile).toEqual({
      timeoutSeconds: 60,
      sources: [{ queue: 'ChangesQueue', reportsFailures: true }],
      hasSchedule: false,
      hasPattern: false,
    })
    expect(functions.sweep).toMatchObject({ sources: [{ queue: 'SweepsQueue' }], hasSchedule: true })
    expect(functions['watch-forwarder']).toMatchObject({ sources: [], hasSchedule: true, hasPattern: true })
  })

  it('has each grant of the roles, the secrets and the network, and no denial', () => {
    const of = (name: string) => grants.filter(({ functionName }) => functionName === name)
    expect(of('timer').map(({ resource }) => resource)).toEqual([
      { attribute: 'TimerLogGroup' },
      { attribute: 'TimersQueue' },
      { attribute: 'ChangesQueue' },
      { attribute: 'TimersQueue' },
      { attribute: 'ChangesDeadLetters' },
      '*',
    ])
    expect(of('reconcile')).toContainEqual({
      condition: 'HasFlagSecret',
      context: [],
      functionName: 'reconcile',
      actions: ['secretsmanager:GetSecretValue', 'ssm:GetParameter'],
      resource: { parameter: 'FlagSecretArn' },
    })
    expect(of('sweep').flatMap(({ context }) => context)).toContainEqual({
      key: 'events:source',
      values: ['challenge-operator.windows'],
    })
    expect(of('publish').map(({ actions }) => actions)).toContainEqual(['rds-db:connect'])
  })

  it('knows the value of each parameter, and each condition that is more than a parameter', () => {
    const arn = (name: string) => `arn:aws:secretsmanager:eu-central-1:123456789012:secret:${name}-AbCdEf`
    const names = ['databaseUrl', 'flagSecret', 'flagHmacPepper', 'tracingHeaders']
    const key = 'arn:aws:kms:eu-central-1:123456789012:key/0a'
    const secrets = [...names.map(name => `${name}: '${arn(name)}'`), `kmsKey: '${key}'`].join(', ')
    const user = 'arn:aws:rds-db:eu-central-1:123456789012:dbuser:db-A/operator'
    const more = `secrets: { ${secrets} }\ndatabaseUser: '${user}'\n`
    const file = parseClusterFile(sampleClusterFile({ more }), { file: '', stage: 'ctf' })
    for (const { resource } of grants)
      if (typeof resource === 'object' && 'parameter' in resource)
        expect(parameterOf(resource.parameter, file), resource.parameter).not.toBe('')
    const conditions = new Set(grants.flatMap(({ condition }) => condition ?? []))
    expect([...conditions].toSorted()).toEqual([
      'HasDatabaseSecret',
      'HasDatabaseUser',
      'HasFlagHmacPepper',
      'HasFlagSecret',
      'HasSecretsKey',
      'HasTracingHeaders',
      'HasTracingHeadersKey',
    ])
  })

  it('is read past the functions of CloudFormation that stand in conditions', () => {
    expect(parseTemplate('{ a: !Not [!Equals [!Ref B, c]], d: !GetAtt E.Arn, f: !Sub "x" }')).toMatchObject({
      d: { 'Fn::GetAtt': ['E', 'Arn'] },
      f: { 'Fn::Sub': 'x' },
    })
  })
})

describe('arnOf', () => {
  const place = { region: 'cn-north-1', account: '123456789012', bus: 'b' }

  it('composes the ARN of each kind of resource, in each partition', () => {
    const of = (type: string, id: string) => arnOf({ type, id }, place)
    expect(of('AWS::SQS::Queue', 'https://sqs.cn-north-1.amazonaws.com.cn/123456789012/q.fifo')).toBe(
      'arn:aws-cn:sqs:cn-north-1:123456789012:q.fifo',
    )
    expect(of('AWS::Events::EventBus', '')).toBe('arn:aws-cn:events:cn-north-1:123456789012:event-bus/b')
    expect(of('AWS::Logs::LogGroup', '/aws/lambda/f')).toMatch(/:log-group:\/aws\/lambda\/f:log-stream:/)
    expect(of('AWS::IAM::Role', 'r')).toBe('arn:aws-cn:iam::123456789012:role/r')
  })
})
