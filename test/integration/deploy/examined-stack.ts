import {
  CloudWatchClient,
  PutMetricAlarmCommand,
  type PutMetricAlarmCommandInput,
} from '@aws-sdk/client-cloudwatch'
import { IAMClient } from '@aws-sdk/client-iam'
import { LambdaClient } from '@aws-sdk/client-lambda'
import { CreateSecretCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import { CreateTopicCommand, SNSClient, SubscribeCommand } from '@aws-sdk/client-sns'
import { SetQueueAttributesCommand, SQSClient } from '@aws-sdk/client-sqs'
import { PutParameterCommand, SSMClient } from '@aws-sdk/client-ssm'
import { checksOfStage } from '../../../deploy/doctor/doctor.ts'
import { examinable } from '../../../functions/examine/examine.ts'
import { queueParts } from '../../../functions/examine/queues.ts'
import { runChecks } from '../../../local/commands/doctor/run-checks.ts'
import { lambdaContext } from '../../../local/lambda/context.ts'
import { type AwsFront, type FrontAnswers, startAwsFront } from '../../support/aws/moto-front.ts'

const region = 'us-east-1'
const account = '123456789012'
const credentials = { accessKeyId: 'test', secretAccessKey: 'test' }

type Template = Record<string, { Type: string; Properties: Record<string, unknown> }>

export interface ExaminedStack extends FrontAnswers, AwsFront {
  sqs: SQSClient
  iam: IAMClient
  lambda: LambdaClient
  sns: SNSClient
  secretsManager: SecretsManagerClient
  topic: string
  /** Runs `doctor --stage`. @returns its lines by the name of the check, and all of them */
  examine(): Promise<{ output: string; isWell: boolean }>
}

export interface ExaminedStackOptions {
  moto: string
  stage: string
  /** The folder with the file of the cluster. */
  directory: string
  template: Template
  cluster: { endpoint: string; ca: string }
}

/** Makes what the stack needs besides, and what moto leaves out of it. */
export async function openExaminedStack(options: ExaminedStackOptions): Promise<ExaminedStack> {
  const { moto, stage, directory, template, cluster } = options
  const settings = { region, endpoint: moto, credentials }
  const sqs = new SQSClient(settings)
  const sns = new SNSClient(settings)
  const secretsManager = new SecretsManagerClient(settings)
  const url = (name: string) => `${moto}/${account}/${name}`
  await refusePlainHttp(template, sqs, url)
  const topic = await makeTopic(sns)
  // moto finds a secret by its whole ARN only where the name ends as the ARN does.
  for (const Name of ['database-AbCdEf', 'flag-AbCdEf'])
    await secretsManager.send(
      new CreateSecretCommand({ Name, SecretString: 'x'.repeat(40), KmsKeyId: '0a1b2c3d' }),
    )
  await new SSMClient(settings).send(
    new PutParameterCommand({ Name: 'pepper', Value: 'pepper', Type: 'SecureString', KeyId: '0a1b2c3d' }),
  )
  const answers: FrontAnswers = {
    moreResources: await makeAlarms(template, new CloudWatchClient(settings), topic),
    cluster: {
      status: 'ACTIVE',
      version: '1.34',
      endpoint: cluster.endpoint,
      certificateAuthority: { data: cluster.ca },
      resourcesVpcConfig: { endpointPublicAccess: true, endpointPrivateAccess: true },
      accessConfig: { authenticationMode: 'API' },
    },
    accessEntries: new Map(
      ['watch-forwarder', 'reconcile', 'sweep'].map(name => [
        `arn:aws:iam::${account}:role/challenge-operator-ctf-${region}-${name}`,
        [`challenge-operator:${name}`],
      ]),
    ),
    refused: new Set(),
    // The functions are not run here. They answer as deployed ones do, about a queue of this stack.
    invoke: (name, event) => {
      const parts = queueParts([url('challenge-operator-ctf-changes.fifo')], settings)
      return examinable(async () => undefined, parts)(event, lambdaContext(name, 30_000))
    },
  }
  const front = await startAwsFront(moto, answers)
  return Object.assign(answers, front, {
    sqs,
    sns,
    topic,
    secretsManager,
    iam: new IAMClient(settings),
    lambda: new LambdaClient(settings),
    async examine() {
      const lines: string[] = []
      const clientOptions = { endpoint: front.endpoint, credentials }
      const checks = await checksOfStage({ stage, directory, clientOptions })
      const print = (line: string) => void lines.push(line)
      const isWell = await runChecks(checks, { print, nothingExamined: '' }, new AbortController().signal)
      return { output: lines.join('\n'), isWell }
    },
  })
}

const ofType = (template: Template, type: string) =>
  Object.entries(template).filter(([, { Type }]) => Type === type)

async function refusePlainHttp(
  template: Template,
  sqs: SQSClient,
  url: (name: string) => string,
): Promise<void> {
  for (const [, { Properties }] of ofType(template, 'AWS::SQS::QueuePolicy')) {
    const [{ Ref }] = Properties.Queues as [{ Ref: string }]
    const QueueUrl = url(String(template[Ref]?.Properties.QueueName))
    const Policy = JSON.stringify(Properties.PolicyDocument)
    await sqs.send(new SetQueueAttributesCommand({ QueueUrl, Attributes: { Policy } }))
  }
}

async function makeTopic(sns: SNSClient): Promise<string> {
  const { TopicArn = '' } = await sns.send(new CreateTopicCommand({ Name: 'alarms' }))
  const Endpoint = 'organiser@example.com'
  await sns.send(new SubscribeCommand({ TopicArn, Protocol: 'email', Endpoint }))
  return TopicArn
}

async function makeAlarms(
  template: Template,
  cloudWatch: CloudWatchClient,
  topic: string,
): Promise<FrontAnswers['moreResources']> {
  const made: FrontAnswers['moreResources'] = []
  for (const [name, { Type, Properties }] of ofType(template, 'AWS::CloudWatch::Alarm')) {
    const AlarmName = `challenge-operator-ctf-${name}-ABC`
    const alarm = { ...Properties, AlarmName, AlarmActions: [topic], OKActions: [topic], Dimensions: [] }
    await cloudWatch.send(new PutMetricAlarmCommand(alarm as unknown as PutMetricAlarmCommandInput))
    made.push({ LogicalResourceId: name, ResourceType: Type, PhysicalResourceId: AlarmName })
  }
  return made
}
