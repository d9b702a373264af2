import { describe, expect, it } from 'vitest'
import { judgeAlarms, judgeSubscriptions, judgeTopic } from '../../../../deploy/doctor/alarm-judgement.ts'
import { ask, judged } from '../../../../deploy/doctor/ask.ts'
import { judgeCluster, judgeEntry } from '../../../../deploy/doctor/cluster-checks.ts'
import { judgeExamination } from '../../../../deploy/doctor/examination-checks.ts'
import { judgeFunction } from '../../../../deploy/doctor/function-checks.ts'
import { judgeMapping, judgeQueue, refusesPlainHttp } from '../../../../deploy/doctor/queue-judgement.ts'
import { actionsOn, contextOf, judgeRight, merged } from '../../../../deploy/doctor/right-checks.ts'
import { judgeRule } from '../../../../deploy/doctor/schedule-checks.ts'
import { judgeKey, parameterNames } from '../../../../deploy/doctor/secret-checks.ts'
import type { Stack } from '../../../../deploy/doctor/stack.ts'
import { judgeStack, stackChecks } from '../../../../deploy/doctor/stack-checks.ts'
import { parseClusterFile } from '../../../../deploy/plugin/cluster-file.ts'
import { version } from '../../../../lib/version.ts'
import { sampleClusterFile } from '../../../support/cluster-files.ts'

const stage = 'ctf'
const region = 'eu-central-1'
const fileOf = (more = '') => parseClusterFile(sampleClusterFile({ more }), { file: 'deploy.ctf.yml', stage })
const problem = (text: string, remedy = '') => ({
  problem: expect.stringContaining(text),
  remedy: expect.stringContaining(remedy),
})

describe('an answer of AWS', () => {
  const failing =
    (name: string, more = {}) =>
    () =>
      Promise.reject(Object.assign(new Error('an error'), { name, ...more }))

  it('may be that there is no such thing, in the words of each service', async () => {
    for (const name of [
      'QueueDoesNotExist',
      'ResourceNotFoundException',
      'NoSuchEntityException',
      'NotFoundException',
    ])
      expect(await ask('a:Right', failing(name))).toEqual({ missing: true })
    expect(
      await ask('a:Right', failing('ValidationError', { message: 'Stack with id x does not exist' })),
    ).toEqual({
      missing: true,
    })
  })

  it('may be that this user may not ask, which is no problem of the stack', async () => {
    for (const name of ['AccessDenied', 'AccessDeniedException', 'AuthorizationError'])
      expect(judged(await ask('a:Right', failing(name)), () => ({ fine: '' }), { fine: '' })).toEqual([
        { unknown: 'not known: you may not ask (a:Right)' },
      ])
  })

  it('may be a failure of its own', async () => {
    await expect(ask('a:Right', failing('ExpiredToken'))).rejects.toThrow('an error')
  })
})

describe('judgeStack', () => {
  const judge = (status: string, resources: string[] = ['CREATE_COMPLETE']) =>
    judgeStack(
      { status, reason: undefined },
      resources.map(each => ({ logicalId: 'SweepRole', type: '', id: '', status: each })),
      { name: 'challenge-operator-ctf', stage, file: fileOf() },
    )

  it.each(['CREATE_COMPLETE', 'UPDATE_COMPLETE'])('finds a stack well that is %s', status => {
    expect(judge(status)).toHaveProperty('fine')
  })

  it('tells what to do with a stack that is in another state', () => {
    expect(judge('UPDATE_ROLLBACK_COMPLETE')).toEqual(problem('was rolled back', 'describe-stack-events'))
    expect(judge('ROLLBACK_COMPLETE')).toEqual(problem('no deployment can change', 'serverless remove'))
    expect(judge('UPDATE_IN_PROGRESS')).toHaveProperty('note')
    expect(judge('SOMETHING_NEW')).toEqual(problem('SOMETHING_NEW', 'serverless deploy --stage ctf'))
    expect(judge('UPDATE_COMPLETE', ['UPDATE_FAILED'])).toEqual(problem('SweepRole'))
  })

  it('does not advise a deployment that CloudFormation refuses', () => {
    for (const status of ['ROLLBACK_FAILED', 'DELETE_FAILED'])
      expect(judge(status, ['DELETE_FAILED'])).toEqual(problem('SweepRole', 'npx serverless remove'))
    expect(judge('UPDATE_ROLLBACK_FAILED', ['UPDATE_FAILED'])).toEqual(
      problem(
        'SweepRole',
        'continue-update-rollback --region eu-central-1 --stack-name challenge-operator-ctf',
      ),
    )
  })
})

describe('stackChecks', () => {
  async function failing(status: string) {
    const stack = {
      ...{ name: 'challenge-operator-ctf', stage, file: fileOf() },
      status: async () => ({ answer: { status, reason: undefined } }),
      resources: async () => [],
    } as unknown as Stack
    const checks = stackChecks(stack).slice(1)
    const findings = await Promise.all(checks.map(each => each.look(AbortSignal.timeout(5_000))))
    return checks.filter((_, index) => [findings[index]].flat().some(each => each && 'problem' in each))
  }
  const namesOf = async (status: string) => (await failing(status)).map(({ name }) => name)

  it('lets the other checks be made after an update that was rolled back', async () => {
    expect(await namesOf('UPDATE_ROLLBACK_COMPLETE')).toEqual(['deployment'])
    expect(await namesOf('UPDATE_COMPLETE')).toEqual([])
    expect(await namesOf('ROLLBACK_COMPLETE')).toEqual(['stack'])
  })
})

describe('judgeFunction', () => {
  const deployment = { owner: '1/eu/x', deployedAt: '2026-11-30T00:00:00Z', role: 'r', stage }
  const variables = { OPERATOR_STACK: '1/eu/x', OPERATOR_DEPLOYED_AT: deployment.deployedAt }
  const found = {
    State: 'Active',
    Role: 'arn:aws:iam::1:role/r',
    MemorySize: 512,
    Environment: { Variables: variables },
  } as const

  it('finds one well that is as deployed', () => {
    expect(judgeFunction(found, deployment)).toEqual([
      { fine: 'active, 512 MB, deployed at 2026-11-30T00:00:00Z' },
    ])
  })

  it('names what differs from the deployment', () => {
    const other = (more: object) => judgeFunction({ ...found, ...more }, deployment)
    expect(other({ Role: 'arn:aws:iam::1:role/other' })).toEqual([
      problem('its role is arn:aws:iam::1:role/other'),
    ])
    expect(other({ State: 'Failed', StateReason: 'no subnet' })).toEqual([problem('no subnet')])
    expect(other({ State: 'Pending' })).toEqual([{ note: expect.any(String) }])
    expect(other({ Environment: { Variables: { ...variables, OPERATOR_STACK: '2/eu/x' } } })).toEqual([
      problem('belongs to 2/eu/x, and not to 1/eu/x'),
    ])
    expect(other({ Environment: { Variables: { ...variables, OPERATOR_DEPLOYED_AT: 'before' } } })).toEqual([
      problem('of the deployment of before'),
    ])
    expect(other({ Environment: {} })).toEqual([problem('belongs to no stack')])
    expect(other({ Environment: { Error: { ErrorCode: 'AccessDeniedException' } } })).toEqual([
      problem('cannot be read', 'kms:Decrypt'),
    ])
  })
})

describe('a right', () => {
  const right = { functionName: 'sweep' as const, arn: 'arn:aws:sqs:eu:1:q', context: [] }
  const judge = (result: object) =>
    judgeRight({ ...right, actions: ['sqs:SendMessage'] }, [
      { EvalActionName: 'sqs:SendMessage', EvalDecision: 'implicitDeny', ...result },
    ])

  it('is fine if IAM allows every action', () => {
    expect(judge({ EvalDecision: 'allowed' })).toEqual([{ fine: 'sqs:SendMessage on q' }])
  })

  it('has the mend of what denies it', () => {
    expect(judge({})).toEqual([
      problem('may not sqs:SendMessage on q (implicitDeny)', 'Putting resources back'),
    ])
    expect(judge({ PermissionsBoundaryDecisionDetail: { AllowedByPermissionsBoundary: false } })).toEqual([
      problem('may not', 'permissionsBoundary in the file of the cluster'),
    ])
    expect(judge({ OrganizationsDecisionDetail: { AllowedByOrganizations: false } })).toEqual([
      problem('may not', 'service control policy'),
    ])
    expect(
      judge({ EvalDecision: 'explicitDeny', MatchedStatements: [{ SourcePolicyId: 'deny-all' }] }),
    ).toEqual([problem('may not', '(deny-all)')])
  })

  it('is not known where IAM says nothing about an action', () => {
    expect(judgeRight({ ...right, actions: ['sqs:SendMessage'] }, [])).toEqual([
      { unknown: expect.any(String) },
    ])
  })

  it('is one for each function and resource, with the actions of all statements', () => {
    const of = (functionName: 'sweep' | 'timer', actions: string[]) => ({
      functionName,
      actions,
      arn: 'a',
      context: [],
    })
    expect(merged([of('sweep', ['x:A']), of('timer', ['x:A']), of('sweep', ['x:B', 'x:A'])])).toEqual([
      of('sweep', ['x:A', 'x:B']),
      of('timer', ['x:A']),
    ])
  })

  it('is asked for with what its statement asks of a request', () => {
    const via = { 'Fn::Sub': ['secretsmanager.$', '{AWS::Region}.$', '{AWS::URLSuffix}'].join('') }
    const context = [
      { key: 'kms:ViaService', values: [via, 'other'] },
      { key: 'events:source', values: ['windows'] },
    ]
    expect(contextOf({ context }, 'cn-north-1').map(each => each.ContextKeyValues)).toEqual([
      ['secretsmanager.cn-north-1.amazonaws.com.cn'],
      ['windows'],
    ])
  })

  it('on a secret is that of the service that has it', () => {
    const actions = ['secretsmanager:GetSecretValue', 'ssm:GetParameter']
    expect(actionsOn('arn:aws:ssm:eu:1:parameter/p', actions)).toEqual(['ssm:GetParameter'])
    expect(actionsOn('*', ['ec2:DescribeSubnets'])).toEqual(['ec2:DescribeSubnets'])
  })
})

const refusing = JSON.stringify({
  Statement: [
    {
      Effect: 'Deny',
      Principal: '*',
      Action: 'sqs:*',
      Condition: { Bool: { 'aws:SecureTransport': 'false' } },
    },
  ],
})

describe('judgeQueue', () => {
  const facts = {
    logicalId: 'ChangesQueue',
    isFifo: true,
    visibilitySeconds: 360,
    retentionSeconds: 345_600,
    redrive: { target: 'ChangesDeadLetters', receives: 12 },
    deadLettersArn: 'arn:aws:sqs:eu:1:dead',
    invokedSeconds: 60,
  }
  const attributes = {
    FifoQueue: 'true',
    VisibilityTimeout: '360',
    MessageRetentionPeriod: '345600',
    SqsManagedSseEnabled: 'true',
    RedrivePolicy: '{"deadLetterTargetArn":"arn:aws:sqs:eu:1:dead","maxReceiveCount":12}',
    Policy: refusing,
    ApproximateNumberOfMessages: '3',
    ApproximateNumberOfMessagesNotVisible: '1',
  }

  it('finds a queue well that is as the stack makes it', () => {
    expect(judgeQueue(attributes, facts)).toEqual([{ fine: 'about 4 messages' }])
  })

  it.each([
    [{ FifoQueue: 'false' }, 'no FIFO queue'],
    [{ FifoThroughputLimit: 'perQueue' }, 'no high throughput'],
    [{ VisibilityTimeout: '30' }, 'visibility timeout is 30 s, and not 360'],
    [{ MessageRetentionPeriod: '60' }, 'keeps messages for 60 s'],
    [{ SqsManagedSseEnabled: 'false' }, 'not encrypted'],
    [{ Policy: '' }, 'does not refuse plain HTTP'],
    [{ RedrivePolicy: 'no JSON' }, 'no dead letters'],
    [
      { RedrivePolicy: '{"deadLetterTargetArn":"arn:other","maxReceiveCount":12}' },
      'dead letters go to arn:other',
    ],
    [
      { RedrivePolicy: '{"deadLetterTargetArn":"arn:aws:sqs:eu:1:dead","maxReceiveCount":1}' },
      'up after 1 receives, and not after 12',
    ],
  ])('names what somebody changed (%o)', (changed, text) => {
    expect(judgeQueue({ ...attributes, ...changed }, facts)).toEqual([
      problem(text, 'Putting resources back'),
    ])
  })

  it('compares the visibility timeout with that of the function', () => {
    const slow = { ...facts, visibilitySeconds: undefined, invokedSeconds: 100 }
    expect(judgeQueue(attributes, slow)).toEqual([problem('less than six times')])
  })

  it('tells of dead letters that wait, and not of windows that did not begin', () => {
    const { FifoQueue: _, RedrivePolicy: __, ...plain } = attributes
    const deadLetters = {
      ...facts,
      isFifo: false,
      redrive: undefined,
      deadLettersArn: undefined,
      invokedSeconds: 0,
    }
    const judge = (logicalId: string) => judgeQueue(plain, { ...deadLetters, logicalId })
    expect(judge('ChangesDeadLetters')).toEqual([problem('about 4 messages', 'dead-letters list')])
    expect(judge('SchedulesDeadLetters')).toEqual([problem('about 4 messages', '"Alarms"')])
    expect(judge('WindowsDeadLetters')).toEqual([{ note: expect.any(String) }])
  })

  it('survives an answer without attributes', () => {
    expect(judgeQueue({}, facts).every(each => 'problem' in each)).toBe(true)
  })
})

describe('refusesPlainHttp', () => {
  it('needs a denial of every action', () => {
    expect(refusesPlainHttp(refusing)).toBe(true)
    expect(refusesPlainHttp(refusing.replace('Deny', 'Allow'))).toBe(false)
    expect(refusesPlainHttp(refusing.replace('sqs:*', 'sqs:SendMessage'))).toBe(false)
    expect(refusesPlainHttp('{"Statement":null}')).toBe(false)
    expect(refusesPlainHttp('null')).toBe(false)
    expect(refusesPlainHttp(undefined)).toBe(false)
  })
})

describe('judgeMapping', () => {
  const expected = { reportsFailures: true, region: 'eu' }
  const mapping = { UUID: 'u', State: 'Enabled', FunctionResponseTypes: ['ReportBatchItemFailures' as const] }

  it('finds one well that is enabled and reports failures', () => {
    expect(judgeMapping(mapping, expected)).toEqual([{ fine: 'polled' }])
  })

  it('names what keeps messages from the function', () => {
    expect(judgeMapping(undefined, expected)).toEqual([problem('no event source mapping')])
    expect(judgeMapping({ ...mapping, State: 'Disabled' }, expected)).toEqual([
      problem('disabled', 'aws lambda update-event-source-mapping --region eu --uuid u --enabled'),
    ])
    expect(judgeMapping({ ...mapping, FunctionResponseTypes: [] }, expected)).toEqual([
      problem('repeats its whole batch'),
    ])
    expect(judgeMapping({ ...mapping, State: 'Creating' }, expected)).toEqual([{ note: expect.any(String) }])
    expect(
      judgeMapping({ ...mapping, LastProcessingResult: 'PROBLEM: Function call failed' }, expected),
    ).toEqual([problem('PROBLEM: Function call failed')])
  })
})

describe('judgeRule', () => {
  const rule = {
    state: 'ENABLED',
    schedule: 'rate(1 minute)',
    targets: ['arn:aws:lambda:eu:1:function:sweep'],
  }
  const policy = '{"Statement":[{"Effect":"Allow","Principal":{"Service":"events.amazonaws.com"}}]}'
  const sweep = { functionName: 'sweep', policy, kind: 'schedule' as const }

  it('finds one well that is enabled and may invoke', () => {
    expect(judgeRule([rule], sweep)).toEqual({ fine: 'invoked by rate(1 minute)' })
    expect(judgeRule([rule], { ...sweep, policy: undefined })).toHaveProperty('fine')
  })

  it('names what keeps it from invoking', () => {
    expect(judgeRule([], sweep)).toEqual(problem('no schedule'))
    expect(judgeRule([rule], { ...sweep, kind: 'pattern' })).toEqual(problem('no rule of the event bus'))
    const pattern = { ...rule, schedule: undefined }
    expect(judgeRule([pattern], { ...sweep, kind: 'pattern' })).toHaveProperty('fine')
    expect(judgeRule([pattern], sweep)).toEqual(problem('no schedule'))
    expect(judgeRule([rule], { ...sweep, functionName: 'publish' })).toEqual(problem('no schedule'))
    expect(judgeRule([{ ...rule, state: 'DISABLED' }], sweep)).toEqual(problem('DISABLED', 'enable-rule'))
    expect(judgeRule([rule], { ...sweep, policy: '' })).toEqual(problem('does not let EventBridge'))
  })
})

describe('the alarm topic', () => {
  const arn = 'arn:aws:sns:eu-central-1:123456789012:alarms'
  const policy = (statement: object) => ({ Policy: JSON.stringify({ Statement: [statement] }) })
  const publish = { Effect: 'Allow', Action: 'sns:Publish' }

  it.each([
    { Principal: { Service: 'cloudwatch.amazonaws.com' } },
    { Principal: { AWS: '*' } },
    { Principal: { AWS: 'arn:aws:iam::123456789012:root' } },
    { Principal: '*', Action: ['SNS:Publish'] },
  ])('lets CloudWatch publish by %o', statement => {
    expect(judgeTopic(policy({ ...publish, ...statement }), arn)).toHaveProperty('fine')
  })

  it.each([
    {},
    { Principal: { Service: 's3.amazonaws.com' } },
    { Principal: { AWS: 'arn:aws:iam::999999999999:root' } },
    { Principal: '*', Action: 'sns:Subscribe' },
    { Principal: '*', Effect: 'Deny' },
  ])('does not let CloudWatch publish by %o', statement => {
    expect(judgeTopic(policy({ ...publish, ...statement }), arn)).toEqual(
      problem('does not let CloudWatch publish'),
    )
  })

  it('is no good with the key of AWS, which CloudWatch may not use', () => {
    const open = policy({ ...publish, Principal: '*' })
    expect(judgeTopic({ ...open, KmsMasterKeyId: 'alias/aws/sns' }, arn)).toEqual(problem('alias/aws/sns'))
    expect(judgeTopic({ ...open, KmsMasterKeyId: 'alias/own' }, arn)).toHaveProperty('note')
  })

  it('needs somebody who has confirmed a subscription', () => {
    expect(judgeSubscriptions([`${arn}:1`, 'PendingConfirmation'], arn)).toHaveProperty('fine')
    expect(judgeSubscriptions(['PendingConfirmation'], arn)).toEqual(
      problem('none of its 1', 'follow the link'),
    )
    expect(judgeSubscriptions([], arn)).toEqual(problem('nobody', 'aws sns subscribe --region eu-central-1'))
  })
})

describe('judgeAlarms', () => {
  const alarm = { AlarmName: 'a', ActionsEnabled: true, AlarmActions: ['topic'], StateValue: 'OK' as const }

  it('finds them well when all are there and none rings', () => {
    expect(judgeAlarms([alarm], { names: ['a'], topic: 'topic', region })).toEqual([
      { fine: '1 of them, and none rings' },
    ])
    const unknown = { ...alarm, StateValue: 'INSUFFICIENT_DATA' as const }
    expect(judgeAlarms([unknown], { names: ['a'], topic: undefined, region })).toHaveLength(1)
  })

  it('names those that are gone, silent, tell somebody else, or ring', () => {
    const ringing = {
      ...alarm,
      ActionsEnabled: false,
      StateValue: 'ALARM' as const,
      AlarmDescription: 'Dead letters.',
    }
    expect(judgeAlarms([ringing], { names: ['a', 'b'], topic: 'other', region })).toEqual([
      problem('deleted: b'),
      problem('silent: a', 'enable-alarm-actions --region eu-central-1 --alarm-names a'),
      problem('do not tell other: a'),
      problem('Dead letters. (a)', 'docs/operations.md, "Alarms"'),
    ])
  })
})

describe('judgeKey', () => {
  const kmsKey = 'arn:aws:kms:eu:1:key/abc'

  it('needs secrets.kmsKey for a key of the user', () => {
    expect(judgeKey(undefined, { kmsKey: '' })).toHaveProperty('fine')
    expect(judgeKey('alias/aws/ssm', { kmsKey: '' })).toHaveProperty('fine')
    expect(judgeKey(kmsKey, { kmsKey })).toHaveProperty('fine')
    expect(judgeKey('abc', { kmsKey })).toHaveProperty('fine')
    expect(judgeKey('alias/own', { kmsKey })).toHaveProperty('note')
    expect(judgeKey('def', { kmsKey })).toEqual(problem('key def', 'secrets.kmsKey'))
    expect(judgeKey(kmsKey, { kmsKey: '' })).toEqual(problem('key abc', 'secrets.kmsKey'))
  })
})

describe('parameterNames', () => {
  it('are those that an ARN stands for', () => {
    const arn = 'arn:aws:ssm:eu-central-1:123456789012:parameter'
    expect(parameterNames(`${arn}/pepper`)).toEqual(['/pepper', 'pepper'])
    expect(parameterNames(`${arn}/prod-ctf/pepper`)).toEqual(['/prod-ctf/pepper'])
  })
})

describe('judgeCluster', () => {
  const file = fileOf()
  const inVpc = fileOf('vpc: { subnetIds: [subnet-0a], securityGroupIds: [sg-0a] }\n')
  const cluster = {
    status: 'ACTIVE' as const,
    version: '1.34',
    endpoint: file.cluster.endpoint,
    certificateAuthority: { data: file.cluster.ca },
    resourcesVpcConfig: {
      endpointPublicAccess: true,
      endpointPrivateAccess: true,
      publicAccessCidrs: ['0.0.0.0/0'],
    },
    accessConfig: { authenticationMode: 'API' as const },
  }

  it('finds one well that is as its file says', () => {
    expect(judgeCluster(cluster, { file, stage })).toEqual([
      { fine: expect.stringContaining('Kubernetes 1.34') },
    ])
    // EKS and the console write the host in different cases.
    const upper = { ...cluster, endpoint: cluster.endpoint.toUpperCase() }
    expect(judgeCluster(upper, { file, stage })).toHaveLength(1)
  })

  it.each([
    [{ status: 'FAILED' as const }, 'FAILED', ''],
    [{ endpoint: 'https://other' }, 'https://other', 'cluster.endpoint in deploy.ctf.yml'],
    [{ certificateAuthority: { data: 'b3RoZXI=' } }, 'another one', 'cluster.ca in deploy.ctf.yml'],
    [{ accessConfig: { authenticationMode: 'CONFIG_MAP' as const } }, 'CONFIG_MAP', 'API_AND_CONFIG_MAP'],
    [{ resourcesVpcConfig: { endpointPublicAccess: false } }, 'no public endpoint', 'vpc'],
    [
      { resourcesVpcConfig: { endpointPublicAccess: true, publicAccessCidrs: ['1.2.3.4/32'] } },
      '1.2.3.4/32 only',
      'vpc',
    ],
  ])('names what keeps the functions out (%o)', (changed, text, remedy) => {
    expect(judgeCluster({ ...cluster, ...changed }, { file, stage })).toEqual([problem(text, remedy)])
  })

  it('accepts a private cluster for functions in a VPC', () => {
    const closed = {
      ...cluster,
      resourcesVpcConfig: { endpointPublicAccess: false, endpointPrivateAccess: true },
    }
    expect(judgeCluster(closed, { file: inVpc, stage })).toEqual([{ fine: expect.any(String) }])
    const open = {
      ...cluster,
      resourcesVpcConfig: { endpointPublicAccess: true, endpointPrivateAccess: false },
    }
    expect(judgeCluster(open, { file: inVpc, stage })).toContainEqual({
      note: expect.stringContaining('NAT'),
    })
  })

  it('needs the group of the function in its access entry', () => {
    const judge = (...groups: string[]) => judgeEntry(groups, { name: 'sweep', update: 'aws eks update' })
    expect(judge('challenge-operator:sweep')).toHaveProperty('fine')
    expect(judge('challenge-operator:reconcile')).toEqual(problem('(403)', 'aws eks update'))
    expect(judge()).toEqual(problem('(none)'))
  })
})

describe('judgeExamination', () => {
  const judge = (answer: unknown, FunctionError?: string) =>
    judgeExamination(
      { FunctionError, text: typeof answer === 'string' ? answer : JSON.stringify(answer) },
      { stage },
    )

  it('hands the lines of the function on', () => {
    const lines = [{ part: 'cluster', finding: { problem: 'away', remedy: 'mend' } }]
    expect(judge({ version, lines })).toEqual([{ problem: 'cluster: away', remedy: 'mend' }])
    expect(judge({ version: '0.0.1', lines: [] })).toEqual([
      { note: expect.stringContaining('version 0.0.1') },
    ])
  })

  it('names the mend of a function that fails', () => {
    const failing = (errorMessage: string) => judge({ errorMessage }, 'Unhandled')
    expect(failing('RequestId: 1 Error: Runtime exited with error: exit status 78')).toEqual([
      problem('exit status 78', 'configuration'),
    ])
    expect(failing('2026 Task timed out after 30.00 seconds')).toEqual([
      problem('timed out', 'Private subnets'),
    ])
    expect(judge('no JSON', 'Unhandled')).toEqual([problem('Unhandled', 'serverless logs')])
  })

  it.each(['', 'null', '"text"', '{"lease":{}}', '{"lines":"none"}'])(
    'takes %o for the answer of another release',
    answer => {
      expect(judge(answer)).toEqual([problem('another release', 'serverless deploy --stage ctf')])
    },
  )
})
