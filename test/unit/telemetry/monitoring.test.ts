import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { type MetricDefinition, metrics } from '../../../lib/telemetry/metrics.ts'
import { prometheusName } from '../../../lib/telemetry/prometheus-name.ts'
import { dashboardJson } from '../../../tools/dashboard.ts'

const root = resolve(import.meta.dirname, '../../..')
const text = (path: string) => readFileSync(join(root, path), 'utf8')

/** Every series that the endpoint tells, and the labels of each. */
const series = new Map(
  Object.entries<MetricDefinition>(metrics).flatMap(([name, definition]) => {
    const spelled = prometheusName(name, definition)
    const ends = definition.kind === 'histogram' ? ['_bucket', '_sum', '_count'] : ['']
    return ends.map((end): [string, string[]] => [`${spelled}${end}`, Object.keys(definition.dimensions)])
  }),
)
const seriesIn = (page: string) => [...new Set(page.match(/challenge_operator_\w+/g))]

describe('dashboards/challenge-operator.json', () => {
  const dashboard = text('dashboards/challenge-operator.json')

  it('is what tools/dashboard.ts writes', () => {
    expect(dashboard).toBe(dashboardJson())
  })

  it('shows only series that exist, and every metric', () => {
    expect(seriesIn(dashboard).filter(name => !series.has(name))).toEqual([])
    const shown = Object.entries<MetricDefinition>(metrics).filter(([name, definition]) =>
      dashboard.includes(prometheusName(name, definition)),
    )
    expect(shown.map(([name]) => name)).toEqual(Object.keys(metrics))
  })

  it('sums by labels that the metrics have', () => {
    const sums = [...dashboard.matchAll(/sum by \((\w+)\) \(rate\((\w+)\[/g)].map(
      ([, label = '', name = '']) => ({ label, name }),
    )
    expect(sums.length).toBeGreaterThan(3)
    for (const { label, name } of sums)
      expect(name.endsWith('_bucket') ? ['le'] : series.get(name), name).toContain(label)
  })
})

describe('manifests/monitoring/rules.yml', () => {
  const { groups } = parse(text('manifests/monitoring/rules.yml')) as {
    groups: { rules: { alert: string; expr: string; annotations: { summary: string } }[] }[]
  }
  const rules = groups.flatMap(group => group.rules)

  it('names only series that exist', () => {
    const named = rules.flatMap(({ expr }) => seriesIn(expr))
    expect(named.length).toBeGreaterThan(8)
    expect(named.filter(name => !series.has(name))).toEqual([])
  })

  it('has a test of each rule', () => {
    const tested = text('test/integration/manifests/alert-rules.test.yml')
    expect(rules.map(({ alert }) => alert).filter(alert => !tested.includes(`${alert}\n`))).toEqual([])
  })

  it('watches each metric that has an alarm on AWS', () => {
    const alarms = text('deploy/resources/alarms.yml')
    const watched = Object.keys(metrics).filter(name => alarms.includes(`MetricName: ${name}\n`))
    const missing = watched.filter(name => {
      const spelled = prometheusName(name, metrics[name as keyof typeof metrics])
      return !rules.some(({ expr }) => expr.includes(spelled))
    })
    expect(missing).toEqual([])
  })
})
