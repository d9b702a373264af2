import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { bundleRecords } from '../../deploy/bundle/plugins.ts'
import { changesReceives, timersReceives } from '../../lib/aws/redelivery.ts'
import { windowRequest } from '../../lib/aws/window-request.ts'
import { configurationReference, deployedFunctions } from '../../lib/config/reference.ts'
import { sampleClusterFile, sampleVariables } from '../support/cluster-files.ts'
import { type ServiceFolder, serviceFolder } from '../support/service-folder.ts'

interface Resource {
  Type: string
  DeletionPolicy?: string
  UpdateReplacePolicy?: string
  Properties: Record<string, unknown>
}

const operator = Object.entries(sampleVariables).map(([name, value]) => `  ${name}: '${value}'`)
const file = sampleClusterFile({
  more: `vpc: { subnetIds: [subnet-1], securityGroupIds: [sg-1] }\noperator:\n${operator.join('\n')}\n`,
})
let service: ServiceFolder
let folder: string
let resources: Record<string, Resource>

beforeAll(async () => {
  service = await serviceFolder({ ctf: file })
  folder = join(service.path, 'packaged')
  const { output, code } = await service.serverless(['package', '--stage', 'ctf', '--package', folder])
  expect(code, output).toBe(0)
  const template = await readFile(join(folder, 'cloudformation-template-update-stack.json'), 'utf8')
  resources = JSON.parse(template).Resources
}, 300_000)
afterAll(() => service.remove())

function ofType(type: string): Resource[] {
  return Object.values(resources).filter(resource => resource.Type === type)
}

function functionNames(): string[] {
  return ofType('AWS::Lambda::Function').map(({ Properties }) => String(Properties.FunctionName))
}

describe('the package of serverless.yml', () => {
  it('contains the five functions, each with our runtime and a role of its own', () => {
    expect(functionNames().map(name => name.replace('challenge-operator-ctf-', ''))).toEqual([
      'watch-forwarder',
      'reconcile',
      'timer',
      'sweep',
      'publish',
    ])
    const functions = ofType('AWS::Lambda::Function').map(({ Properties }) => Properties)
    for (const each of functions)
      expect(each).toMatchObject({ Runtime: 'nodejs24.x', Architectures: ['arm64'] })
    expect(new Set(functions.map(each => JSON.stringify(each.Role))).size).toBe(5)
  })

  it('contains the queues and the bus, and gives FIFO queues high throughput', () => {
    const names = ofType('AWS::SQS::Queue').map(({ Properties }) => Properties.QueueName)
    expect(names.sort()).toEqual([
      'challenge-operator-ctf-changes.fifo',
      'challenge-operator-ctf-dead-letters.fifo',
      'challenge-operator-ctf-schedules-dead-letters',
      'challenge-operator-ctf-sweeps',
      'challenge-operator-ctf-timers',
      'challenge-operator-ctf-timers-dead-letters',
      'challenge-operator-ctf-windows-dead-letters',
    ])
    const fifo = ofType('AWS::SQS::Queue').filter(({ Properties }) => Properties.FifoQueue)
    for (const { Properties } of fifo)
      expect(Properties).toMatchObject({
        DeduplicationScope: 'messageGroup',
        FifoThroughputLimit: 'perMessageGroupId',
      })
    expect(ofType('AWS::Events::EventBus')).toHaveLength(1)
  })

  it('makes every queue hide a message for six timeouts of its function, and move it to dead letters', () => {
    const receives = { ChangesQueue: changesReceives, TimersQueue: timersReceives }
    const timeouts = { ChangesQueue: timeoutOf('reconcile'), TimersQueue: timeoutOf('timer') }
    for (const [queue, timeout] of Object.entries(timeouts)) {
      const { VisibilityTimeout, RedrivePolicy } = resources[queue]?.Properties ?? {}
      expect(VisibilityTimeout).toBeGreaterThanOrEqual(6 * timeout)
      expect(RedrivePolicy).toMatchObject({ maxReceiveCount: receives[queue as keyof typeof receives] })
    }
  })

  it('hides a message about a sweep for six timeouts, and invokes the sweep with one at a time', () => {
    const { VisibilityTimeout, RedrivePolicy } = resources.SweepsQueue?.Properties ?? {}
    expect(VisibilityTimeout).toBeGreaterThanOrEqual(6 * timeoutOf('sweep'))
    expect(RedrivePolicy).toBeUndefined()
    expect(mappingOf('SweepsQueue')).toMatchObject({
      BatchSize: 1,
      ScalingConfig: { MaximumConcurrency: expect.any(Number) },
    })
  })

  it('makes the mappings of keys report single failures and limit their concurrency', () => {
    expect(ofType('AWS::Lambda::EventSourceMapping')).toHaveLength(3)
    for (const Properties of [mappingOf('ChangesQueue'), mappingOf('TimersQueue')])
      expect(Properties).toMatchObject({
        BatchSize: 10,
        FunctionResponseTypes: ['ReportBatchItemFailures'],
        ScalingConfig: { MaximumConcurrency: expect.any(Number) },
      })
  })

  it('lets the functions with a mapping change the visibility of what they leave in its queue', () => {
    for (const [role, queue] of [
      ['ReconcileRole', 'ChangesQueue'],
      ['TimerRole', 'TimersQueue'],
    ] as const) {
      expect(statementsOf(role)).toContainEqual(
        expect.objectContaining({
          Action: expect.arrayContaining(['sqs:ChangeMessageVisibility']),
          Resource: { 'Fn::GetAtt': [queue, 'Arn'] },
        }),
      )
    }
  })

  it('gives every role exact actions on exact resources', () => {
    const roles = Object.keys(resources).filter(name => resources[name]?.Type === 'AWS::IAM::Role')
    expect(roles).toHaveLength(5)
    for (const role of roles) {
      expect(resources[role]?.Properties).not.toHaveProperty('ManagedPolicyArns')
      for (const { Action, Resource } of statementsOf(role)) {
        expect(JSON.stringify(Action)).not.toContain('*')
        expect(JSON.stringify(Resource)).not.toMatch(/"\*"|:\*"/)
      }
    }
  })

  it('has a wildcard only for the interfaces that Lambda makes in a VPC, which the code is denied', () => {
    const wild = ofType('AWS::IAM::Policy').filter(each => JSON.stringify(each).includes('"*"'))
    expect(wild).toHaveLength(1)
    const { Roles, PolicyDocument } = (wild[0] as Resource).Properties as unknown as {
      Roles: unknown[]
      PolicyDocument: { Statement: (Statement & { Condition?: unknown })[] }
    }
    expect(Roles).toHaveLength(5)
    const [allowed, denied] = PolicyDocument.Statement
    expect(allowed).toMatchObject({ Effect: 'Allow', Resource: '*' })
    expect(denied).toMatchObject({ Effect: 'Deny', Action: allowed?.Action, Resource: '*' })
    expect(JSON.stringify(denied?.Condition)).toContain('lambda:SourceFunctionArn')
  })

  it('lets each function write into its own log only', () => {
    for (const [role, log] of [
      ['WatchForwarderRole', 'WatchDashforwarderLogGroup'],
      ['ReconcileRole', 'ReconcileLogGroup'],
      ['TimerRole', 'TimerLogGroup'],
      ['SweepRole', 'SweepLogGroup'],
      ['PublishRole', 'PublishLogGroup'],
    ] as const)
      expect(statementsOf(role)).toContainEqual({
        Effect: 'Allow',
        Action: ['logs:CreateLogStream', 'logs:PutLogEvents'],
        Resource: { 'Fn::GetAtt': [log, 'Arn'] },
      })
  })

  it('begins a window of the forwarder by an event of the bus, which sweep alone may send, and no other', () => {
    const rules = ofType('AWS::Events::Rule').filter(each => each.Properties.EventBusName !== undefined)
    expect(rules.map(({ Properties }) => Properties)).toEqual([
      expect.objectContaining({
        EventBusName: { 'Fn::GetAtt': ['EventBus', 'Name'] },
        EventPattern: { source: [windowRequest.source], 'detail-type': [windowRequest.type] },
        Targets: [
          expect.objectContaining({ Arn: { 'Fn::GetAtt': ['WatchDashforwarderLambdaFunction', 'Arn'] } }),
        ],
      }),
    ])
    expect(statementsOf('SweepRole').filter(({ Action }) => Action === 'events:PutEvents')).toEqual([
      {
        Effect: 'Allow',
        Action: 'events:PutEvents',
        Resource: { 'Fn::GetAtt': ['EventBus', 'Arn'] },
        Condition: { StringEquals: { 'events:source': windowRequest.source } },
      },
    ])
  })

  it('refuses plain HTTP for every queue, by one policy for each, as SQS wants it', () => {
    const queues = Object.keys(resources).filter(name => resources[name]?.Type === 'AWS::SQS::Queue')
    const policies = ofType('AWS::SQS::QueuePolicy').map(({ Properties }) => Properties)
    expect(policies.map(({ Queues }) => Queues)).toEqual(queues.map(queue => [{ Ref: queue }]))
    for (const [index, queue] of queues.entries())
      expect(policies[index]).toMatchObject({
        PolicyDocument: {
          Statement: [
            {
              Effect: 'Deny',
              Resource: { 'Fn::GetAtt': [queue, 'Arn'] },
              Condition: { Bool: { 'aws:SecureTransport': 'false' } },
            },
          ],
        },
      })
  })

  it('keeps every queue of dead letters when the stack goes', () => {
    const kept = Object.entries(resources).filter(([, { DeletionPolicy }]) =>
      DeletionPolicy?.startsWith('Retain'),
    )
    expect(kept.map(([name]) => name)).toEqual(
      Object.keys(resources).filter(name => name.endsWith('DeadLetters')),
    )
    for (const [, { UpdateReplacePolicy }] of kept) expect(UpdateReplacePolicy).toBe('Retain')
  })

  it('keeps scheduled invocations that failed, and drops none silently that came too late', () => {
    const configurations = ofType('AWS::Lambda::EventInvokeConfig').map(({ Properties }) => Properties)
    expect(configurations).toHaveLength(3)
    for (const each of configurations)
      expect(each).toMatchObject({
        MaximumEventAgeInSeconds: 60,
        MaximumRetryAttempts: 0,
        DestinationConfig: { OnFailure: { Destination: { 'Fn::GetAtt': [expect.any(String), 'Arn'] } } },
      })
  })

  it('lets the three functions that call the cluster into it, each with the group of its role there', () => {
    const groups = ofType('AWS::EKS::AccessEntry').map(({ Properties }) => Properties.KubernetesGroups)
    expect(groups).toEqual([
      ['challenge-operator:watch-forwarder'],
      ['challenge-operator:reconcile'],
      ['challenge-operator:sweep'],
    ])
  })

  it('lets the functions that send spans read the headers for their receiver, and no other', () => {
    const policies = ofType('AWS::IAM::Policy').filter(({ Properties }) =>
      String(Properties.PolicyName).startsWith('tracing-headers'),
    )
    expect(
      policies.map(({ Properties: { PolicyName, Roles, PolicyDocument } }) => [
        PolicyName,
        Roles,
        (PolicyDocument as { Statement: { Action: unknown; Resource: unknown }[] }).Statement.map(
          ({ Action, Resource }) => [Action, Resource],
        ),
      ]),
    ).toEqual([
      [
        'tracing-headers',
        ['WatchForwarderRole', 'ReconcileRole', 'SweepRole', 'PublishRole'].map(Ref => ({ Ref })),
        [[['secretsmanager:GetSecretValue', 'ssm:GetParameter'], { Ref: 'TracingHeadersArn' }]],
      ],
      ['tracing-headers-key', [{ Ref: 'WatchForwarderRole' }], [['kms:Decrypt', { Ref: 'SecretsKeyArn' }]]],
    ])
  })

  it('keeps the bucket of the bundles private, and no versions of functions', () => {
    expect(resources.ServerlessDeploymentBucket?.Properties.PublicAccessBlockConfiguration).toEqual({
      BlockPublicAcls: true,
      BlockPublicPolicy: true,
      IgnorePublicAcls: true,
      RestrictPublicBuckets: true,
    })
    expect(ofType('AWS::Lambda::Version')).toEqual([])
  })
})

describe('the environment of the functions', () => {
  const pairs = configurationReference.flatMap(({ name, functions }) =>
    deployedFunctions.map(each => ({ name, each, reads: functions.includes(each) })),
  )

  it.each(pairs.filter(({ reads }) => reads))('has $name in $each', ({ name, each }) => {
    const value = environmentOf(each)[name]
    if (name in sampleVariables) expect(value).toBe(sampleVariables[name])
    else expect(value).toBeDefined()
  })

  it('has secrets, and what only commands read, in no function that does not need them', () => {
    const restricted = pairs.filter(
      ({ name, reads }) => !reads && /^(FLAG_|DATABASE_|KUBECONFIG|OPERATOR_ALLOWED|AWS_)/.test(name),
    )
    expect(restricted.length).toBeGreaterThan(5)
    for (const { name, each } of restricted)
      expect(environmentOf(each), `${name} in ${each}`).not.toHaveProperty(name)
  })
})

/** Bytes of a zip. A function that is called for the first time is downloaded and parsed before it answers. */
const largestZips: Readonly<Record<string, number>> = {
  reconcile: 1_200_000,
  'watch-forwarder': 700_000,
  sweep: 900_000,
  publish: 600_000,
  timer: 400_000,
}

describe('the bundles', () => {
  it.each(Object.entries(largestZips))('%s stays within %i bytes', async (name, largest) => {
    const { size } = await stat(join(folder, `${name}.zip`))
    const { inputs, bytes } = await contentOf(name)
    const tenLargest = Object.entries(inputs)
      .map(([input, { bytesInOutput }]) => ({ input, bytesInOutput }))
      .toSorted((a, b) => b.bytesInOutput - a.bytesInOutput)
      .slice(0, 10)
      .map(({ input, bytesInOutput }) => `  ${bytesInOutput} bytes: ${input}`)
    const explanation = `${size} bytes zipped, ${bytes} before; the largest inputs:\n${tenLargest.join('\n')}\n`
    expect(size, explanation).toBeLessThanOrEqual(largest)
  })

  it('are all of the functions, and nothing else is deployed', async () => {
    const zips = (await readdir(folder)).filter(file => file.endsWith('.zip'))
    expect(zips.toSorted()).toEqual(
      Object.keys(largestZips)
        .map(name => `${name}.zip`)
        .toSorted(),
    )
    for (const zip of zips) expect(namesIn(await readFile(join(folder, zip)))).toHaveLength(1)
  })

  it('contain no part that Lambda does not need', async () => {
    for (const name of Object.keys(largestZips)) {
      const { inputs } = await contentOf(name)
      const unneeded = Object.keys(inputs).filter(input =>
        /undici\/lib\/(mock|web|milo|cache)\/|kubeconfig\.ts$|credential-provider-(?!env)/.test(input),
      )
      // The bodies of the parts that are replaced are stubs of ours.
      expect(unneeded.filter(input => !input.includes('deploy/bundle/'))).toEqual([])
    }
  })
})

interface Output {
  bytes: number
  inputs: Record<string, { bytesInOutput: number }>
}

/** Reads what a bundle is made of, from the list that the packaging keeps beside it. */
async function contentOf(name: string): Promise<Output> {
  const file = join(bundleRecords, `functions/${name}/index.mjs.meta.json`)
  const { outputs } = JSON.parse(await readFile(file, 'utf8')) as { outputs: Record<string, Output> }
  const [bundle] = Object.entries(outputs).filter(([path]) => path.endsWith('.mjs'))
  if (bundle === undefined) throw new Error(`${file} lists no bundle`)
  return bundle[1]
}

/** The names in the central directory of a zip. */
function namesIn(zip: Buffer): string[] {
  const names: string[] = []
  for (let at = zip.indexOf('PK\x01\x02'); at >= 0; at = zip.indexOf('PK\x01\x02', at + 46))
    names.push(zip.toString('utf8', at + 46, at + 46 + zip.readUInt16LE(at + 28)))
  return names
}

interface Statement {
  Effect: string
  Action: string | string[]
  Resource: unknown
}

function statementsOf(role: string): Statement[] {
  const policies = (resources[role]?.Properties.Policies ?? []) as {
    PolicyDocument: { Statement: Statement[] }
  }[]
  return policies.flatMap(each => each.PolicyDocument.Statement)
}

function environmentOf(name: string): Record<string, unknown> {
  const { Environment } = functionOf(name)?.Properties ?? {}
  return (Environment as { Variables: Record<string, unknown> }).Variables
}

function mappingOf(queue: string): Record<string, unknown> | undefined {
  const source = JSON.stringify({ 'Fn::GetAtt': [queue, 'Arn'] })
  return ofType('AWS::Lambda::EventSourceMapping').find(
    ({ Properties }) => JSON.stringify(Properties.EventSourceArn) === source,
  )?.Properties
}

function timeoutOf(name: string): number {
  return Number(functionOf(name)?.Properties.Timeout)
}

function functionOf(name: string): Resource | undefined {
  return ofType('AWS::Lambda::Function').find(({ Properties }) =>
    String(Properties.FunctionName).endsWith(`-${name}`),
  )
}
