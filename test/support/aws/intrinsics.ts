import { partitionOf, serviceHost } from '../../../lib/aws/partition.ts'

export interface TemplateResource {
  Type: string
  Condition?: string
  Properties?: Record<string, unknown>
}

export interface Template {
  Parameters?: Record<string, { Default?: string }>
  Conditions?: Record<string, unknown>
  Resources: Record<string, TemplateResource>
}

export interface StackPlace {
  account: string
  region: string
  stack: string
  /** `!Ref` of a queue, as the server says it that made the queue. */
  queueUrlOf(name: string): string
}

/**
 * Returns the resources of a template with the values that CloudFormation puts in place of its functions. A resource whose
 * condition does not hold is left out.
 * @throws Error for a function, a pseudo parameter or an attribute that it does not know
 */
export function resolvedResources(template: Template, place: StackPlace): Record<string, TemplateResource> {
  const evaluate = evaluator(template, place)
  const holds = ({ Condition }: TemplateResource) =>
    Condition === undefined || evaluate(template.Conditions?.[Condition]) === true
  const made = Object.entries(template.Resources).filter(([, resource]) => holds(resource))
  return Object.fromEntries(
    made.map(([name, { Properties = {}, ...rest }]) => [
      name,
      { ...rest, Properties: evaluate(Properties) as Record<string, unknown> },
    ]),
  )
}

const noValue = Symbol('AWS::NoValue')

function evaluator(template: Template, place: StackPlace) {
  const pseudo: Record<string, unknown> = {
    'AWS::AccountId': place.account,
    'AWS::Region': place.region,
    'AWS::StackName': place.stack,
    'AWS::Partition': partitionOf(place.region),
    'AWS::URLSuffix': serviceHost('', place.region).replace(/^\.[^.]+\./, ''),
    'AWS::NoValue': noValue,
  }
  const propertiesOf = (name: string) => template.Resources[name]?.Properties ?? {}

  function ref(name: string): unknown {
    if (name in pseudo) return pseudo[name]
    const parameter = template.Parameters?.[name]
    if (parameter !== undefined) return parameter.Default ?? ''
    const { Type } = template.Resources[name] ?? {}
    if (Type === 'AWS::SQS::Queue') return place.queueUrlOf(String(propertiesOf(name).QueueName))
    const named = nameOf(Type, propertiesOf(name))
    return named ?? name
  }

  function attribute(name: string, wanted: string): unknown {
    const { Type = '' } = template.Resources[name] ?? {}
    if (wanted === 'Name' || wanted === 'QueueName') return nameOf(Type, propertiesOf(name))
    const path = arnPaths[Type]
    if (wanted !== 'Arn' || path === undefined) throw new Error(`${name}.${wanted} is not known here`)
    const region = Type === 'AWS::IAM::Role' ? '' : place.region
    const service = Type.split('::')[1]?.toLowerCase()
    const named = String(evaluate(nameOf(Type, propertiesOf(name)) ?? name))
    return `arn:${pseudo['AWS::Partition']}:${service}:${region}:${place.account}:${path}${named}`
  }

  function call(name: string, argument: unknown): unknown {
    const list = () => (argument as unknown[]).map(evaluate)
    const condition = (each: unknown) => evaluate(template.Conditions?.[String(each)])
    switch (name) {
      case 'Ref':
        return ref(String(argument))
      case 'Fn::GetAtt': {
        const [resource, wanted] = Array.isArray(argument) ? argument : String(argument).split('.')
        return attribute(String(resource), String(wanted))
      }
      case 'Fn::Sub':
        return String(argument).replaceAll(/\$\{([\w:]+)(?:\.(\w+))?\}/g, (_, resource: string, wanted) =>
          String(wanted === undefined ? ref(resource) : attribute(resource, wanted)),
        )
      case 'Fn::Join': {
        const [separator, parts] = argument as [string, unknown[]]
        return parts.map(evaluate).join(separator)
      }
      case 'Fn::Equals':
        return new Set(list()).size === 1
      case 'Fn::Not':
        return list()[0] !== true
      case 'Fn::And':
        return list().every(each => each === true)
      case 'Fn::Or':
        return list().includes(true)
      case 'Fn::If': {
        const [name, yes, no] = argument as unknown[]
        return evaluate(condition(name) === true ? yes : no)
      }
      case 'Condition':
        return condition(argument)
      default:
        throw new Error(`${name} is not known here`)
    }
  }

  function evaluate(value: unknown): unknown {
    if (Array.isArray(value)) return value.map(evaluate).filter(each => each !== noValue)
    if (typeof value !== 'object' || value === null) return value
    const entries = Object.entries(value)
    const [name = '', argument] = entries[0] ?? []
    if (entries.length === 1 && isFunction(name, argument)) return call(name, argument)
    return Object.fromEntries(
      entries.map(([key, each]) => [key, evaluate(each)]).filter(([, each]) => each !== noValue),
    )
  }
  return evaluate
}

/** Policies have conditions that are objects. */
function isFunction(name: string, argument: unknown): boolean {
  return name === 'Ref' || name.startsWith('Fn::') || (name === 'Condition' && typeof argument === 'string')
}

/** What stands between the account and the name in an ARN. */
const arnPaths: Record<string, string> = {
  'AWS::SQS::Queue': '',
  'AWS::IAM::Role': 'role/',
  'AWS::Lambda::Function': 'function:',
  'AWS::Events::EventBus': 'event-bus/',
  'AWS::Events::Rule': 'rule/',
  'AWS::Logs::LogGroup': 'log-group:',
  'AWS::S3::Bucket': '',
}

function nameOf(type: string | undefined, properties: Record<string, unknown>): unknown {
  const { QueueName, RoleName, FunctionName, LogGroupName, Name } = properties
  const names: Record<string, unknown> = {
    'AWS::SQS::Queue': QueueName,
    'AWS::IAM::Role': RoleName,
    'AWS::Lambda::Function': FunctionName,
    'AWS::Logs::LogGroup': LogGroupName,
    'AWS::Events::EventBus': Name,
  }
  return type === undefined ? undefined : names[type]
}
