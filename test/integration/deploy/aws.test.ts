import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { DeleteRolePolicyCommand } from '@aws-sdk/client-iam'
import { ListEventSourceMappingsCommand, UpdateEventSourceMappingCommand } from '@aws-sdk/client-lambda'
import { DeleteSecretCommand } from '@aws-sdk/client-secrets-manager'
import { SetTopicAttributesCommand } from '@aws-sdk/client-sns'
import {
  CreateQueueCommand,
  DeleteQueueCommand,
  ListQueuesCommand,
  SendMessageCommand,
  SetQueueAttributesCommand,
  SQSClient,
} from '@aws-sdk/client-sqs'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { parseClusterFile } from '../../../deploy/plugin/cluster-file.ts'
import { deleteEmptyQueues } from '../../../deploy/plugin/left-queues.ts'
import { sampleClusterFile } from '../../support/cluster-files.ts'
import { type Moto, motoServer, startMoto } from '../../support/moto.ts'
import { type ServiceFolder, serviceFolder } from '../../support/service-folder.ts'
import { type ExaminedStack, openExaminedStack } from './examined-stack.ts'

/** moto's CloudFormation makes none of these. `test/unit/package.test.ts` checks them in the template. */
const excused = [
  'AWS::Lambda::EventInvokeConfig',
  'AWS::SQS::QueuePolicy',
  'AWS::EKS::AccessEntry',
  'AWS::S3::BucketPolicy',
  'AWS::CloudWatch::Alarm',
]
/** moto makes these, and has no physical id for them. */
const withoutId = ['AWS::Lambda::Permission', 'AWS::Events::EventBus']

const lease = {
  holder: 'window-1',
  since: '2999-01-01T00:00:00Z',
  version: '0.1.0',
  deployedAt: '2999-01-01T00:00:00Z',
}
const stack = 'challenge-operator-ctf'

/** What the file of a cluster may have besides. */
const everything = `vpc: { subnetIds: [subnet-0a1b2c3d], securityGroupIds: [sg-0a1b2c3d] }
secrets:
  databaseUrl: arn:aws:secretsmanager:us-east-1:123456789012:secret:database-AbCdEf
  flagSecret: arn:aws:secretsmanager:us-east-1:123456789012:secret:flag-AbCdEf
  flagHmacPepper: arn:aws:ssm:us-east-1:123456789012:parameter/pepper
  kmsKey: arn:aws:kms:us-east-1:123456789012:key/0a1b2c3d
tags: { event: autumn }
permissionsBoundary: arn:aws:iam::123456789012:policy/boundary
concurrency: { watchForwarder: 4 }
alarmTopicArn: arn:aws:sns:us-east-1:123456789012:alarms
`

/** undefined on a machine without Python, where these tests are skipped. */
const server = await motoServer()
let moto: Moto
let service: ServiceFolder

beforeAll(async () => {
  if (server === undefined) return
  moto = await startMoto(server)
  // Functions are not run: each invocation is answered with the next one of the results.
  await configure('config', { lambda: { use_docker: false } })
  const results = Array(20).fill(JSON.stringify({ lease }))
  for (const region of ['eu-central-1', 'us-east-1'])
    await configure('static/lambda-simple/response', { region, account_id: '123456789012', results })
  const complete = sampleClusterFile()
  service = await serviceFolder({
    ctf: complete,
    'ctf-us': sampleClusterFile({ region: 'us-east-1', more: everything }),
    incomplete: complete.replace(/^ {2}(endpoint|ca):.*\n/gm, ''),
    typo: `${complete}alarmTopc: none\n`,
  })
}, 600_000)
beforeEach(context => {
  if (server === undefined) context.skip('moto is not installed')
})
afterAll(async () => {
  await service?.remove()
  await moto?.stop()
})

const secrets = { DATABASE_URL: 'postgres://operator:hunter2@db.example/ctf', FLAG_SECRET: 'f'.repeat(64) }

function serverless(args: string[], environment: Record<string, string> = secrets) {
  const account = {
    AWS_ENDPOINT_URL: moto.endpoint,
    AWS_ACCESS_KEY_ID: 'test',
    AWS_SECRET_ACCESS_KEY: 'test',
  }
  return service.serverless(args, { ...account, ...environment })
}

/** Sets what moto does. */
async function configure(path: string, body: unknown): Promise<void> {
  const answer = await fetch(`${moto.endpoint}/moto-api/${path}`, {
    method: 'POST',
    body: JSON.stringify(body),
  })
  expect(answer.ok, path).toBe(true)
}

interface Api {
  region: string
  service: string
  version: string
}

/** Calls an API of AWS that answers in XML. moto takes region and service from the signature, which it does not check. */
async function query({ region, service, version }: Api, parameters: Record<string, string>): Promise<string> {
  const credential = `Credential=test/20261130/${region}/${service}/aws4_request`
  const answer = await fetch(moto.endpoint, {
    method: 'POST',
    headers: { authorization: `AWS4-HMAC-SHA256 ${credential}, SignedHeaders=host, Signature=none` },
    body: new URLSearchParams({ Version: version, ...parameters }),
  })
  return answer.text()
}

/** The resources of a stack by their logical ids, with their physical ids. */
async function resourcesOf(region: string): Promise<Record<string, string>> {
  const cloudFormation = { region, service: 'cloudformation', version: '2010-05-15' }
  const text = await query(cloudFormation, { Action: 'ListStackResources', StackName: stack })
  return Object.fromEntries(
    [...text.matchAll(/<member>(.*?)<\/member>/gs)].map(([, each = '']) => [
      /<LogicalResourceId>(.*?)</.exec(each)?.[1] ?? '',
      /<PhysicalResourceId>(.*?)</.exec(each)?.[1] ?? '',
    ]),
  )
}

async function rolesOfAccount(): Promise<string[]> {
  const iam = { region: 'us-east-1', service: 'iam', version: '2010-05-08' }
  const text = await query(iam, { Action: 'ListRoles' })
  return [...text.matchAll(/<RoleName>(challenge-operator.*?)<\/RoleName>/g)].map(([, name = '']) => name)
}

function sqsConfiguration(region: string) {
  const credentials = { accessKeyId: 'test', secretAccessKey: 'test' }
  return { region, endpoint: moto.endpoint, credentials }
}

async function queuesOf(region: string): Promise<string[]> {
  const { QueueUrls = [] } = await new SQSClient(sqsConfiguration(region)).send(new ListQueuesCommand())
  return QueueUrls.map(url => url.slice(url.lastIndexOf('/') + 1)).toSorted()
}

async function template(): Promise<{ Resources: Record<string, { Type: string; Condition?: string }> }> {
  const file = join(service.path, '.serverless/cloudformation-template-update-stack.json')
  return JSON.parse(await readFile(file, 'utf8'))
}

/** osls starts in a second on a quiet machine, and moto answers in seconds. */
const patience = { timeout: 300_000 }

describe('serverless deploy', patience, () => {
  it('refuses a key that is not known, and names the one that was meant', async () => {
    const { output, code } = await serverless(['deploy', '--stage', 'typo'])
    expect(code).toBe(1)
    expect(output).toContain('deploy.typo.yml cannot be used:\n  - alarmTopc is not known; ')
  })

  it('refuses a cluster that has no file, and names those that have one', async () => {
    const { output, code } = await serverless(['deploy'])
    expect(code).toBe(1)
    expect(output).toMatch(/There is no deploy\.dev\.yml\..*files for: .*\bctf\b/)
  })

  it('refuses what the functions would refuse, with all complaints at once, before anything is made', async () => {
    const { output, code } = await serverless(['deploy', '--stage', 'incomplete'], {})
    expect(code).toBe(1)
    for (const name of [
      'EKS_CLUSTER_ENDPOINT (cluster.endpoint)',
      'EKS_CLUSTER_CA',
      'DATABASE_URL',
      'FLAG_SECRET',
    ])
      expect(output).toContain(`  - ${name}`)
    expect(await resourcesOf('eu-central-1')).toEqual({})
  })

  it('refuses queues that an earlier stack left, and says how to read and delete them', async () => {
    const client = new SQSClient(sqsConfiguration('eu-central-1'))
    const fifo = { Attributes: { FifoQueue: 'true', ContentBasedDeduplication: 'true' } }
    const { QueueUrl: full } = await client.send(
      new CreateQueueCommand({ QueueName: `${stack}-dead-letters.fifo`, ...fifo }),
    )
    const { QueueUrl: empty } = await client.send(
      new CreateQueueCommand({ QueueName: `${stack}-windows-dead-letters` }),
    )
    await client.send(
      new SendMessageCommand({ QueueUrl: full, MessageBody: 'a dead letter', MessageGroupId: 'a' }),
    )
    const { output, code } = await serverless(['deploy', '--stage', 'ctf'])
    expect(code).toBe(1)
    expect(output).toContain(`${stack}-dead-letters.fifo is left of an earlier stack, with 1 dead letters`)
    expect(output).toContain(`and empty. Delete it: aws sqs delete-queue --queue-url ${empty}`)
    expect(await resourcesOf('eu-central-1')).toEqual({})
    for (const QueueUrl of [full, empty]) await client.send(new DeleteQueueCommand({ QueueUrl }))
  })

  it('makes every resource of the template, and says who holds the Lease', async () => {
    const { output, code } = await serverless(['deploy', '--stage', 'ctf'])
    expect(code, output).toBe(0)
    expect(output).toContain('The operator is alive: window-1 (version 0.1.0) holds the Lease of ctf since')
    expect(output).toContain('FLAG_SECRET becomes a plain variable')
    expect(output).not.toContain('hunter2')
    const { Resources } = await template()
    const made = await resourcesOf('eu-central-1')
    const wanted = Object.entries(Resources).filter(
      ([, { Type, Condition }]) => !Condition && !excused.includes(Type),
    )
    for (const [name, { Type }] of wanted)
      if (withoutId.includes(Type)) expect(made, name).toHaveProperty(name)
      else expect(made[name], name).toBeTruthy()
    expect(await queuesOf('eu-central-1')).toHaveLength(
      wanted.filter(([, { Type }]) => Type === 'AWS::SQS::Queue').length,
    )
  })

  it('updates the stack in its place', async () => {
    const before = await resourcesOf('eu-central-1')
    // The same bundles, with the time of this deployment.
    const { output, code } = await serverless(['deploy', '--stage', 'ctf', '--package', '.serverless'])
    expect(code, output).toBe(0)
    expect(await resourcesOf('eu-central-1')).toEqual(before)
  })

  it('makes a stack with everything for a cluster of the same name in another region beside it', async () => {
    const { output, code } = await serverless(['deploy', '--stage', 'ctf-us'])
    expect(code, output).toBe(0)
    expect(output).not.toContain('plain variable')
    expect(await queuesOf('us-east-1')).toEqual(await queuesOf('eu-central-1'))
    const roles = await rolesOfAccount()
    expect(roles.filter(name => name.includes('-eu-central-1-'))).toHaveLength(5)
    expect(roles.filter(name => name.includes('-us-east-1-'))).toHaveLength(5)
  })

  it('makes a template that cfn-lint accepts in each partition', async () => {
    const command = join(dirname(server ?? ''), 'cfn-lint')
    const file = join(service.path, '.serverless/cloudformation-template-update-stack.json')
    const regions = ['eu-central-1', 'us-east-1', 'cn-north-1', 'us-gov-west-1']
    // It ends with another code than 0 for an error and for a warning.
    await promisify(execFile)(command, ['-r', ...regions, '--', file])
  })
})

describe('challenge-operator doctor --stage', patience, () => {
  let examined: ExaminedStack
  const role = 'challenge-operator-ctf-us-east-1-sweep'
  const urlOf = (name: string) => `${moto.endpoint}/123456789012/${stack}-${name}`

  beforeAll(async () => {
    if (server === undefined) return
    const { cluster } = parseClusterFile(sampleClusterFile({ region: 'us-east-1' }), { file: '', stage: '' })
    const { Resources } = await template()
    const options = { moto: moto.endpoint, stage: 'ctf-us', directory: service.path, cluster }
    examined = await openExaminedStack({ ...options, template: Resources as never })
  }, 300_000)
  afterAll(() => examined?.close())

  it('finds nothing to mend in what was deployed', async () => {
    const { output, isWell } = await examined.examine()
    expect(output).not.toMatch(/^(FAIL|\?)/m)
    expect(isWell, output).toBe(true)
    for (const line of [
      /^ok +account +123456789012, region us-east-1, as arn:/m,
      /^ok +stack +challenge-operator-ctf is UPDATE_COMPLETE/m,
      /^ok +functions +reconcile: active, 1769 MB, deployed at 20/m,
      /^ok +configuration +each function can read its own/m,
      /^ok +queues +challenge-operator-ctf-changes\.fifo: about 0 messages/m,
      /^ok +deliveries +SweepsQueue to sweep: polled/m,
      /^ok +schedules +sweep: invoked by cron/m,
      /^ok +schedules +watch-forwarder: invoked by events of the bus/m,
      /^ok +event bus +challenge-operator-ctf: it is there/m,
      /^ok +alarm topic +CloudWatch may publish to it/m,
      /^ok +alarm topic +1 confirmed/m,
      /^ok +alarms +18 of them, and none rings/m,
      /^ok +secrets +databaseUrl: it is there, encrypted with secrets\.kmsKey/m,
      /^ok +secrets +flagHmacPepper: it is there/m,
      /^ok +cluster +ctf is ACTIVE/m,
      /^ok +access entries +reconcile: its role is in the group challenge-operator:reconcile/m,
      /^ok +rights +reconcile: sqs:ReceiveMessage, .* on challenge-operator-ctf-changes\.fifo/m,
      /^ok +rights +sweep: secretsmanager:GetSecretValue on secret:flag-AbCdEf/m,
      /^ok +rights +reconcile: kms:Decrypt on key\/0a1b2c3d/m,
      /^ok +rights +timer: ec2:CreateNetworkInterface, .* on all resources/m,
      /^ok +timer +queue: SQS answers about challenge-operator-ctf-changes\.fifo/m,
    ])
      expect(output).toMatch(line)
  })

  it('names each thing that somebody broke, and what mends it', async () => {
    await examined.iam.send(new DeleteRolePolicyCommand({ RoleName: role, PolicyName: 'queues' }))
    await examined.sqs.send(new DeleteQueueCommand({ QueueUrl: urlOf('windows-dead-letters') }))
    await examined.sqs.send(
      new SetQueueAttributesCommand({
        QueueUrl: urlOf('timers'),
        Attributes: { VisibilityTimeout: '30', Policy: '' },
      }),
    )
    await examined.sqs.send(
      new SendMessageCommand({ QueueUrl: urlOf('timers-dead-letters'), MessageBody: 'a dead letter' }),
    )
    const { EventSourceMappings = [] } = await examined.lambda.send(new ListEventSourceMappingsCommand({}))
    const UUID = EventSourceMappings.find(({ FunctionArn }) => FunctionArn?.endsWith('-timer'))?.UUID
    await examined.lambda.send(new UpdateEventSourceMappingCommand({ UUID, Enabled: false }))
    await examined.sns.send(
      new SetTopicAttributesCommand({
        TopicArn: examined.topic,
        AttributeName: 'Policy',
        AttributeValue: '{"Version":"2012-10-17","Statement":[]}',
      }),
    )
    await examined.secretsManager.send(
      new DeleteSecretCommand({ SecretId: 'flag-AbCdEf', ForceDeleteWithoutRecovery: true }),
    )
    examined.accessEntries.clear()
    examined.cluster = { ...examined.cluster, endpoint: 'https://another.eks.amazonaws.com' }
    const { output, isWell } = await examined.examine()
    expect(isWell).toBe(false)
    for (const line of [
      /^FAIL +rights +sweep: its role may not sqs:SendMessage on challenge-operator-ctf-changes\.fifo \(implicitDeny\)\n +→ .*"Putting resources back"/m,
      /^FAIL +queues +challenge-operator-ctf-windows-dead-letters: the queue was deleted\n +→ .*"Putting resources back"/m,
      /^FAIL +queues +challenge-operator-ctf-timers: its visibility timeout is 30 s, and not 180/m,
      /^FAIL +queues +challenge-operator-ctf-timers: its policy does not refuse plain HTTP/m,
      /^FAIL +queues +challenge-operator-ctf-timers-dead-letters: it holds about 1 messages/m,
      /^FAIL +deliveries +TimersQueue to timer: .* is disabled\n +→ aws lambda update-event-source-mapping .* --enabled/m,
      /^FAIL +alarm topic +its policy does not let CloudWatch publish/m,
      /^FAIL +secrets +flagSecret: there is no arn:.*\n +→ create it, or correct secrets\.flagSecret in deploy\.ctf-us\.yml/m,
      /^FAIL +cluster +its endpoint is https:\/\/another.*\n +→ correct cluster\.endpoint in deploy\.ctf-us\.yml/m,
      /^- +access entries +not checked, because the check of the cluster failed/m,
      /^Fix the lines with FAIL/m,
    ])
      expect(output).toMatch(line)
  })

  it('names a role without an access entry, and what the user may not ask', async () => {
    examined.cluster = {
      ...examined.cluster,
      endpoint: 'https://0123456789ABCDEF.gr7.us-east-1.eks.amazonaws.com',
    }
    examined.refused.add('SimulatePrincipalPolicy')
    examined.invoke = async () => ({ errorMessage: 'nothing that doctor knows' })
    const { output } = await examined.examine()
    expect(output).toMatch(
      /^FAIL +access entries +sweep: its role has no access entry.*\(401\)\n +→ npx serverless deploy --stage ctf-us/m,
    )
    expect(output).toMatch(/^\? +rights +sweep: not known: you may not ask \(iam:SimulatePrincipalPolicy\)/m)
    expect(output).toMatch(/^FAIL +timer +it does not know what doctor asks/m)
  })

  it('says that a stack does not exist, and ends with code 1', async () => {
    const file = join(service.path, 'deploy.nowhere.yml')
    await writeFile(file, sampleClusterFile({ name: 'nowhere' }))
    const environment = {
      PATH: process.env.PATH,
      HOME: service.path,
      AWS_ENDPOINT_URL: moto.endpoint,
      AWS_ACCESS_KEY_ID: 'test',
      AWS_SECRET_ACCESS_KEY: 'test',
    }
    const command = join(import.meta.dirname, '../../../local/cli.ts')
    const ended = promisify(execFile)(process.execPath, [command, 'doctor', '--stage', 'nowhere'], {
      cwd: service.path,
      env: environment,
    })
    await expect(ended).rejects.toMatchObject({
      code: 1,
      stdout: expect.stringMatching(
        /FAIL +stack +there is no stack challenge-operator-nowhere in eu-central-1.*\n +→ npx serverless deploy --stage nowhere[\s\S]*not checked, because the check of the stack failed/,
      ),
    })
  })
})

describe('serverless rollback', patience, () => {
  it('is refused, since an earlier template says an earlier time of deployment', async () => {
    const { output, code } = await serverless(['rollback', '--stage', 'ctf', '--timestamp', '1'])
    expect(code).toBe(1)
    expect(output).toContain('git checkout <version>')
  })
})

describe('serverless remove', patience, () => {
  it('removes one stack with its roles and queues, and leaves the others alone', async () => {
    const others = await resourcesOf('us-east-1')
    const { output, code } = await serverless(['remove', '--stage', 'ctf'])
    expect(code, output).toBe(0)
    expect(await queuesOf('eu-central-1')).toEqual([])
    expect((await rolesOfAccount()).filter(name => !name.includes('-us-east-1-'))).toEqual([])
    expect(await resourcesOf('us-east-1')).toEqual(others)
  })
})

describe('deleteEmptyQueues', () => {
  it('deletes empty queues, and leaves one with messages', async () => {
    const configuration = sqsConfiguration('eu-west-1')
    const client = new SQSClient(configuration)
    const urlOf = async (QueueName: string) =>
      (await client.send(new CreateQueueCommand({ QueueName }))).QueueUrl
    await urlOf('empty')
    const QueueUrl = await urlOf('full')
    await client.send(new SendMessageCommand({ QueueUrl, MessageBody: 'a dead letter' }))
    const left = await deleteEmptyQueues(['empty', 'full', 'never-made'], configuration)
    expect(left).toEqual([{ url: QueueUrl, messages: 1 }])
    expect(await queuesOf('eu-west-1')).toEqual(['full'])
  })
})
