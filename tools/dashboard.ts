// Writes dashboards/challenge-operator.json, a dashboard of Grafana over Prometheus: `npx node tools/dashboard.ts`.
import { writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import * as commonSdk from '@grafana/grafana-foundation-sdk/common'
import * as dashboardSdk from '@grafana/grafana-foundation-sdk/dashboard'
import * as prometheusSdk from '@grafana/grafana-foundation-sdk/prometheus'
import * as timeseriesSdk from '@grafana/grafana-foundation-sdk/timeseries'
import { type MetricName, metrics } from '../lib/telemetry/metrics.ts'
import { prometheusName } from '../lib/telemetry/prometheus-name.ts'

type Query = readonly [expression: string, legend: string]

/** Grafana's names of units. */
type Unit = 'short' | 's' | 'ops'

const datasource = { type: 'prometheus', uid: '$' + '{datasource}' }
const width = 8
const height = 8

const named = (name: MetricName) => prometheusName(name, metrics[name])
const rate = (series: string) => `sum(rate(${series}[$__rate_interval]))`
const increase = (name: MetricName): Query => [`sum(increase(${named(name)}[$__rate_interval]))`, name]
const present = (name: MetricName): Query => [`max(${named(name)})`, name]
const by = (name: MetricName, label: string): Query => [
  `sum by (${label}) (rate(${named(name)}[$__rate_interval]))`,
  `{{${label}}}`,
]
const quantile = (name: MetricName, share: number): Query => [
  `histogram_quantile(${share}, sum by (le) (rate(${named(name)}_bucket[$__rate_interval])))`,
  `${name} p${share * 100}`,
]
const average = (name: MetricName): Query => [
  `${rate(`${named(name)}_sum`)} / ${rate(`${named(name)}_count`)}`,
  `${name}, average`,
]

const rows: readonly (readonly [
  title: string,
  panels: readonly (readonly [string, Unit, readonly Query[]])[],
])[] = [
  [
    'Forwarder',
    [
      ['Forwarders that lead', 'short', [[`sum(${named('ForwarderLeading')})`, 'leading']]],
      [
        'Age of the last change and of the most silent watch',
        's',
        [present('LastEventAge'), present('BookmarkAge')],
      ],
      [
        'Restarts, relists, changes of the lead',
        'short',
        [
          increase('ForwarderRestarts'),
          increase('Relists'),
          increase('FoundByRelist'),
          increase('LeaseChanges'),
        ],
      ],
    ],
  ],
  [
    'Passes',
    [
      ['Passes by outcome', 'ops', [by('Passes', 'outcome')]],
      ['Duration of a pass', 's', [quantile('PassDuration', 0.5), quantile('PassDuration', 0.99)]],
      ['From a creation to Ready', 's', [quantile('CreateToReady', 0.5), quantile('CreateToReady', 0.99)]],
      [
        'From the change to the pass',
        's',
        [quantile('EventToMessageLag', 0.99), quantile('MessageToPassLag', 0.99), quantile('QueueAge', 0.99)],
      ],
      ['Calls of a pass', 'short', [average('PassApiCalls'), quantile('PassApiCalls', 0.99)]],
      ['Calls to the API server', 'ops', [by('ApiCalls', 'function')]],
    ],
  ],
  [
    'What is undone',
    [
      ['Overdue ends and waiting events', 's', [present('ExpiryLag'), present('OutboxLag')]],
      ['Instances whose row the database lacks', 'short', [present('UnsyncedInstances')]],
      ['Findings of sweeps', 'ops', [by('SweepFindings', 'cause')]],
      [
        'Dead letters, and messages for other namespaces',
        'short',
        [increase('DeadLetters'), increase('UnwatchedMessages')],
      ],
    ],
  ],
]

function panel(title: string, unit: Unit, queries: readonly Query[]) {
  const built = new timeseriesSdk.PanelBuilder().title(title).unit(unit).min(0).span(width).height(height)
  built.datasource(datasource)
  built.legend(
    new commonSdk.VizLegendOptionsBuilder()
      .displayMode(commonSdk.LegendDisplayMode.List)
      .placement(commonSdk.LegendPlacement.Bottom)
      .showLegend(true),
  )
  for (const [expression, legend] of queries)
    built.withTarget(new prometheusSdk.DataqueryBuilder().expr(expression).legendFormat(legend))
  return built
}

/** The dashboard as JSON, with the builders of Grafana's foundation SDK. */
export function dashboardJson(): string {
  const built = new dashboardSdk.DashboardBuilder('Challenge operator')
    .uid('challenge-operator')
    .tags(['challenge-operator'])
    .refresh('30s')
    .time({ from: 'now-3h', to: 'now' })
    .withVariable(
      new dashboardSdk.DatasourceVariableBuilder('datasource').label('Data source').type('prometheus'),
    )
  let id = 0
  for (const [title, panels] of rows) {
    id += 1
    built.withRow(new dashboardSdk.RowBuilder(title).id(id))
    for (const [name, unit, queries] of panels) {
      id += 1
      built.withPanel(panel(name, unit, queries).id(id))
    }
  }
  return `${JSON.stringify(built.build(), undefined, 2)}\n`
}

if (process.argv[1] === import.meta.filename)
  writeFileSync(
    join(resolve(import.meta.dirname, '..'), 'dashboards/challenge-operator.json'),
    dashboardJson(),
  )
