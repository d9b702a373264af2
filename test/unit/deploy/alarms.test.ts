import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { deployedFunctions } from '../../../lib/config/reference.ts'
import { metricNamespace } from '../../../lib/telemetry/emf-metrics.ts'
import { type MetricDefinition, type MetricName, metrics } from '../../../lib/telemetry/metrics.ts'

interface Alarm {
  AlarmDescription: string
  AlarmActions: string
  Namespace: string
  MetricName: string
  Dimensions: { Name: string; Value: string }[]
  ComparisonOperator: string
  Threshold: number
  Period: number
  EvaluationPeriods: number
  TreatMissingData: string
}

const root = resolve(import.meta.dirname, '../../..')
const text = (path: string) => readFileSync(join(root, path), 'utf8')
/** The name that the functions give themselves. */
const stackName = `\${AWS::AccountId}/\${AWS::Region}/\${AWS::StackName}`
const table: Record<string, MetricDefinition> = metrics

/** The parser does not know CloudFormation's tags, and reads what follows them. */
function resources<T>(file: string): Record<string, T> {
  const { Resources } = parse(text(`deploy/resources/${file}`), { logLevel: 'error' }) as {
    Resources: Record<string, { Properties: T }>
  }
  return Object.fromEntries(Object.entries(Resources).map(([name, { Properties }]) => [name, Properties]))
}

const alarms = resources<Alarm>('alarms.yml')
const { Dashboard } = resources<{ DashboardBody: string }>('dashboard.yml')
const widgets = (
  JSON.parse(Dashboard?.DashboardBody ?? '') as { widgets: { properties: { metrics: unknown[][] } }[] }
).widgets
const shown = widgets.flatMap(({ properties }) => properties.metrics)
const ownOf = (list: unknown[][]) =>
  list.filter(([space]) => space === metricNamespace).map(([, name]) => String(name))

function alarmsOn(namespace: string, metric: string): string[] {
  return Object.values(alarms)
    .filter(alarm => alarm.Namespace === namespace && alarm.MetricName === metric)
    .flatMap(({ Dimensions }) => Dimensions.map(({ Value }) => Value))
}

describe('the alarms', () => {
  it('tell the topic of the file, and stand in operations.md with what they mean', () => {
    const [, section = ''] = text('docs/operations.md').split('\n### Alarms\n')
    const listed = [...(section.split('\n\n```')[0] ?? '').matchAll(/^- (.+(?:\n {2}.+)*)/gm)]
    const items = listed.map(([, item = '']) => item.replace(/\n {2}/g, ' '))
    expect(Object.values(alarms).map(each => each.AlarmActions)).toEqual(
      Array(items.length).fill(`\${cluster(optional):alarmActions}`),
    )
    const expected = Object.entries(alarms).map(([name, each]) => `\`${name}\`: ${each.AlarmDescription}`)
    expect(items.map(item => item.split(' Remedy:')[0])).toEqual(expected)
  })

  it('watch only metrics that the vocabulary has and that CloudWatch always gets', () => {
    const own = Object.values(alarms).filter(({ Namespace }) => Namespace === metricNamespace)
    expect(own.length).toBeGreaterThan(4)
    for (const { MetricName, Dimensions } of own) {
      expect(table[MetricName]?.cloudWatch, MetricName).toBe('always')
      expect(Dimensions).toEqual([{ Name: 'stack', Value: stackName }])
    }
    expect(text('serverless.yml')).toContain(`OPERATOR_STACK: !Sub ${stackName}`)
  })

  it('leave nothing at rest that is sent without an alarm, but the age of the last event', () => {
    const sent = Object.keys(table).filter(name => table[name]?.cloudWatch === 'always')
    const watched = Object.values(alarms).map(each => each.MetricName)
    expect(sent.filter(name => !watched.includes(name))).toEqual(['LastEventAge'])
  })

  it('ring when no forwarder has led for two minutes, also when none says anything', () => {
    expect(alarms.NoForwarderAlarm).toMatchObject({
      ComparisonOperator: 'LessThanThreshold',
      Threshold: 1,
      Period: 60,
      EvaluationPeriods: 2,
      TreatMissingData: 'breaching',
    })
  })

  it('watch the errors of each function, and the throttles of each but the forwarder', () => {
    const named = (names: readonly string[]) => names.map(name => `\${name(function):${name}}`)
    expect(alarmsOn('AWS/Lambda', 'Errors')).toEqual(named(deployedFunctions))
    expect(alarmsOn('AWS/Lambda', 'Throttles')).toEqual(
      named(deployedFunctions.filter(name => name !== 'watch-forwarder')),
    )
  })

  it('ring at a dead letter, and at a message that waits for more than a minute', () => {
    expect(alarmsOn('AWS/SQS', 'ApproximateNumberOfMessagesVisible')).toEqual([
      'ChangesDeadLetters.QueueName',
      'TimersDeadLetters.QueueName',
      'SchedulesDeadLetters.QueueName',
    ])
    expect(alarms.OldestChangeAlarm).toMatchObject({ Threshold: 60 })
  })
})

describe('the dashboard', () => {
  it('shows every metric that CloudWatch gets, and no other one', () => {
    const sent = Object.keys(table).filter(name => table[name]?.cloudWatch !== 'never')
    expect([...new Set(ownOf(shown))].toSorted()).toEqual(sent.toSorted())
  })

  it('asks for the dimensions that the metrics have', () => {
    for (const [, name, ...rest] of shown.filter(([space]) => space === metricNamespace)) {
      const definition: MetricDefinition = metrics[name as MetricName]
      const dimensions =
        definition.cloudWatch === 'without-dimensions' ? [] : Object.keys(definition.dimensions)
      const asked = rest.filter(each => typeof each === 'string').filter((_, index) => index % 2 === 0)
      expect(asked, String(name)).toEqual(['stack', ...dimensions])
    }
  })
})
