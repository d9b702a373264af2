import { operatorSection } from '../../lib/config/operator.ts'
import { configurationReference } from '../../lib/config/reference.ts'
import { Variables } from '../../lib/config/section.ts'
import { ClusterFileRefused, Settings } from './settings.ts'

/** The file of one cluster, `deploy.<cluster>.yml`, with the defaults of the keys that it leaves out. */
export interface ClusterFile {
  region: string
  cluster: { name: string; endpoint: string; ca: string }
  /** ARNs of Secrets Manager or SSM; empty: the value comes from the environment of `serverless deploy`. */
  secrets: Record<SecretName, string> & {
    /** ARN of the key that encrypts them, where it is the user's own; else empty. */
    kmsKey: string
  }
  /** ARN of the database's user of IAM; empty: a password authenticates the user. */
  databaseUser: string
  /** The value of `DATABASE_IAM`. */
  databaseIam: 'true' | ''
  /** undefined: the functions run outside of a VPC. */
  vpc: { subnetIds: string[]; securityGroupIds: string[] } | undefined
  tags: Record<string, string>
  permissionsBoundary: string | undefined
  logRetentionDays: number
  concurrency: { reconcile: number; watchForwarder: number | undefined }
  /** In MB. Lambda gives a function processor time in proportion. */
  memory: { watchForwarder: number; sweep: number }
  /** Whom an alarm tells; undefined: nobody. */
  alarmActions: [topicArn: string] | undefined
  accessEntries: boolean
  /** undefined: as the stack has it. */
  deletionProtection: boolean | undefined
  /** `OPERATOR_*` and `OTEL_*` variables of the functions. */
  operator: Record<string, string>
}

export const secretNames = ['databaseUrl', 'flagSecret', 'flagHmacPepper', 'tracingHeaders'] as const
export type SecretName = (typeof secretNames)[number]

/** The keys, as deploy.example.yml has them. */
export const clusterFileKeys: readonly string[] = [
  'region',
  'cluster.name',
  'cluster.endpoint',
  'cluster.ca',
  ...secretNames.map(name => `secrets.${name}`),
  'secrets.kmsKey',
  'databaseUser',
  'vpc.subnetIds',
  'vpc.securityGroupIds',
  'tags',
  'permissionsBoundary',
  'logRetentionDays',
  'concurrency.reconcile',
  'concurrency.watchForwarder',
  'memory.watchForwarder',
  'memory.sweep',
  'alarmTopicArn',
  'accessEntries',
  'deletionProtection',
  'operator',
]

/** New accounts of AWS may not use more, in MB. A function has two whole processors then, and uses one. */
const largestMemory = 3_008

/** CloudWatch Logs accepts these numbers only. */
const retentions = [
  1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
] as const

/**
 * Reads the file of a cluster. `stage` is the `<cluster>` in its name, and the cluster's name where the file has none.
 * @throws ClusterFileRefused with all problems of the file
 */
export function parseClusterFile(
  text: string,
  { file, stage }: { file: string; stage: string },
): ClusterFile {
  const settings = new Settings(text, clusterFileKeys)
  const region = regionOf(settings)
  const databaseUser =
    settings.text(
      'databaseUser',
      /^arn:aws[-a-z]*:rds-db:[-a-z0-9]+:\d{12}:dbuser:[-\w]+\/[\w.@-]+$/,
      'arn:aws:rds-db:<region>:<account>:dbuser:<resource id of the database>/<user>',
    ) ?? ''
  const clusterFile: ClusterFile = {
    region,
    cluster: {
      name: settings.text('cluster.name', /^[0-9A-Za-z][-\w]{0,99}$/, 'the name of an EKS cluster') ?? stage,
      // The functions' own configuration judges both, before a deployment.
      endpoint: settings.text('cluster.endpoint', /^/, 'an https URL') ?? '',
      ca: settings.text('cluster.ca', /^/, 'the certificate authority of the cluster, as EKS gives it') ?? '',
    },
    secrets: secretsOf(settings, region),
    databaseUser,
    databaseIam: databaseUser === '' ? '' : 'true',
    vpc: vpcOf(settings),
    tags: settings.map('tags'),
    permissionsBoundary: settings.text(
      'permissionsBoundary',
      /^arn:aws[-a-z]*:iam::(\d{12}|aws):policy\/[\w+=,.@/-]+$/,
      'the ARN of an IAM policy',
    ),
    logRetentionDays: settings.oneOf('logRetentionDays', retentions) ?? 30,
    concurrency: {
      // Each pass makes about 6 calls to the API server, and holds one connection to Postgres. 2 and 1000 are AWS's limits.
      reconcile: settings.integer('concurrency.reconcile', 2, 1000) ?? 20,
      watchForwarder: settings.integer('concurrency.watchForwarder', 2, 100),
    },
    memory: {
      watchForwarder: settings.integer('memory.watchForwarder', 256, largestMemory) ?? 256,
      sweep: settings.integer('memory.sweep', 512, largestMemory) ?? 512,
    },
    alarmActions: alarmActionsOf(settings, region),
    accessEntries: settings.oneOf('accessEntries', [true, false]) ?? true,
    deletionProtection: settings.oneOf('deletionProtection', [true, false]),
    operator: operatorVariables(settings),
  }
  if (settings.problems.length > 0) throw new ClusterFileRefused(file, settings.problems)
  return clusterFile
}

function regionOf(settings: Settings): string {
  const expected = 'a region of AWS, such as eu-central-1'
  const before = settings.problems.length
  const region = settings.text('region', /^[a-z]{2}(-[a-z]+)+-\d$/, expected)
  if (region === undefined && settings.problems.length === before)
    settings.problems.push(`region is not set; write ${expected}`)
  return region ?? ''
}

function secretsOf(settings: Settings, region: string): ClusterFile['secrets'] {
  const arn =
    /^arn:aws[-a-z]*:(secretsmanager:[-a-z0-9]+:\d{12}:secret:[\w/+=.@!-]+|ssm:[-a-z0-9]+:\d{12}:parameter\/[\w/.-]+)$/
  const read = (name: SecretName): string => {
    const path = `secrets.${name}`
    const value =
      settings.secretArn(path, arn, 'that of a secret of Secrets Manager or of a parameter of SSM') ?? ''
    if (value !== '' && region !== '' && value.split(':')[3] !== region)
      settings.problems.push(`${path} is in ${value.split(':')[3]}; write one that is in ${region}`)
    return value
  }
  return {
    databaseUrl: read('databaseUrl'),
    flagSecret: read('flagSecret'),
    flagHmacPepper: read('flagHmacPepper'),
    tracingHeaders: read('tracingHeaders'),
    kmsKey:
      settings.text(
        'secrets.kmsKey',
        /^arn:aws[-a-z]*:kms:[-a-z0-9]+:\d{12}:key\/[-\w]+$/,
        'the ARN of a key of KMS',
      ) ?? '',
  }
}

function alarmActionsOf(settings: Settings, region: string): ClusterFile['alarmActions'] {
  const pattern = /^arn:aws[-a-z]*:sns:[-a-z0-9]+:\d{12}:[-\w]{1,256}$/
  const topic = settings.text('alarmTopicArn', pattern, 'the ARN of a standard topic of SNS')
  if (topic === undefined) return undefined
  const place = topic.split(':')[3]
  if (region !== '' && place !== region)
    settings.problems.push(`alarmTopicArn is in ${place}; write a topic that is in ${region}`)
  return [topic]
}

function vpcOf(settings: Settings): ClusterFile['vpc'] {
  const subnetIds = settings.texts('vpc.subnetIds', /^subnet-[0-9a-f]+$/, 'subnets, such as subnet-0a1b2c3d')
  const securityGroupIds = settings.texts(
    'vpc.securityGroupIds',
    /^sg-[0-9a-f]+$/,
    'security groups, such as sg-0a1b2c3d',
  )
  if (subnetIds.length === 0 && securityGroupIds.length === 0) return undefined
  if (subnetIds.length === 0 || securityGroupIds.length === 0)
    settings.problems.push('vpc needs both keys, subnetIds and securityGroupIds; give both, or remove vpc')
  return { subnetIds, securityGroupIds }
}

/** Variables that the deployment sets by itself. */
const ownVariables = ['OPERATOR_STACK', 'OPERATOR_DEPLOYED_AT']

function operatorVariables(settings: Settings): Record<string, string> {
  const variables = settings.map('operator')
  for (const name of Object.keys(variables)) {
    const row = configurationReference.find(each => each.name === name)
    if (!/^(OPERATOR|OTEL)_/.test(name))
      settings.problems.push(
        `operator.${name} is not a variable that begins with OPERATOR_ or OTEL_; remove it`,
      )
    else if (name === 'OTEL_EXPORTER_OTLP_HEADERS_SECRET_ARN')
      settings.problems.push(`operator.${name} is set by the deployment; write secrets.tracingHeaders`)
    else if (ownVariables.includes(name))
      settings.problems.push(`operator.${name} is set by the deployment; remove it`)
    else if (row !== undefined && row.functions.length === 0)
      settings.problems.push(`operator.${name} is read by commands and by no function; remove it`)
  }
  const read = new Variables(variables)
  operatorSection(read)
  for (const problem of read.problems) settings.problems.push(`operator: ${problem}`)
  return variables
}
