import { partitionOf, serviceHost } from '../../lib/aws/partition.ts'

export interface TemplateResource {
  Type: string
  Properties?: Record<string, unknown>
  DeletionPolicy?: string
}
export type Resources = Readonly<Record<string, TemplateResource>>

export interface Place {
  region: string
  /** Name of the stack. */
  stack: string
}

/** AWS uses this account in its documentation. */
const account = '123456789012'

/** Returns a value of the form that CloudFormation will put in place of an intrinsic function. */
export function plausible(value: unknown, resources: Resources, place: Place): string {
  if (typeof value !== 'object' || value === null) return String(value ?? '')
  const [name, argument] = Object.entries(value)[0] ?? []
  if (name === 'Ref') return reference(String(argument), resources, place)
  if (name === 'Fn::GetAtt') {
    const [resource, attribute] = Array.isArray(argument) ? argument.map(String) : String(argument).split('.')
    return attributeOf(String(resource), String(attribute), resources, place)
  }
  if (name === 'Fn::Sub' && typeof argument === 'string')
    return argument.replaceAll(/\$\{([\w:]+)(?:\.(\w+))?\}/g, (_, resource: string, attribute?: string) =>
      attribute === undefined
        ? reference(resource, resources, place)
        : attributeOf(resource, attribute, resources, place),
    )
  throw new Error(
    `A variable of the functions has ${name}, of which a deployment does not know what it becomes.`,
  )
}

function reference(name: string, resources: Resources, { region, stack }: Place): string {
  const pseudo: Record<string, string> = {
    'AWS::AccountId': account,
    'AWS::Region': region,
    'AWS::StackName': stack,
    'AWS::Partition': partitionOf(region),
  }
  const { Type = '', Properties = {} } = resources[name] ?? {}
  if (Type === 'AWS::SQS::Queue')
    return `https://${serviceHost('sqs', region)}/${account}/${Properties.QueueName}`
  return pseudo[name] ?? String(Properties.Name ?? name)
}

function attributeOf(name: string, attribute: string, resources: Resources, place: Place): string {
  if (attribute === 'QueueUrl' || attribute === 'Name') return reference(name, resources, place)
  const service = resources[name]?.Type.split('::')[1]?.toLowerCase() ?? 'unknown'
  const { QueueName, FunctionName, RoleName, Name } = resources[name]?.Properties ?? {}
  const named = String(QueueName ?? FunctionName ?? RoleName ?? Name ?? name)
  return `arn:${partitionOf(place.region)}:${service}:${place.region}:${account}:${named}`
}
