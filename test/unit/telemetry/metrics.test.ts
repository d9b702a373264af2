import { describe, expect, it } from 'vitest'
import { causes } from '../../../lib/messages.ts'
import { openEmfMetrics } from '../../../lib/telemetry/emf-metrics.ts'
import { type MetricDefinition, metrics } from '../../../lib/telemetry/metrics.ts'
import { openPrometheusMetrics } from '../../../lib/telemetry/prometheus-metrics.ts'
import { prometheusName } from '../../../lib/telemetry/prometheus-name.ts'

const table: [string, MetricDefinition][] = Object.entries(metrics)

function emf(stack?: string) {
  const lines: string[] = []
  const opened = openEmfMetrics({ stack, write: line => lines.push(line), now: () => 1_000 })
  return { metrics: opened, lines: () => lines.map(line => JSON.parse(line)) }
}

describe('the vocabulary of metrics', () => {
  it.each([
    ['Passes', 'challenge_operator_passes_total'],
    ['PassDuration', 'challenge_operator_pass_duration_seconds'],
    ['PassApiCalls', 'challenge_operator_pass_api_calls'],
    ['OutboxLag', 'challenge_operator_outbox_lag_seconds'],
    ['ForwarderLeading', 'challenge_operator_forwarder_leading'],
  ] as const)('spells %s as %s for Prometheus', (name, spelled) => {
    expect(prometheusName(name, metrics[name])).toBe(spelled)
  })

  it('has no two metrics with one name', () => {
    expect(new Set(table.map(([name, definition]) => prometheusName(name, definition))).size).toBe(
      table.length,
    )
  })

  it('knows every cause of a message as a finding of a sweep, or no sweep sends it', () => {
    const known: readonly string[] = metrics.SweepFindings.dimensions.cause
    expect(causes.filter(cause => !known.includes(cause))).toEqual(['deleted', 'retry', 'manual'])
  })
})

describe('openEmfMetrics', () => {
  it('writes one line for each combination of dimensions, once at the flush', () => {
    const { metrics, lines } = emf('123/eu-central-1/ctf')
    metrics.count('Passes', 1, { outcome: 'settled' })
    metrics.count('Passes', 1, { outcome: 'settled' })
    metrics.observe('PassDuration', 12)
    metrics.observe('PassDuration', 14)
    metrics.set('ExpiryLag', 3)
    metrics.set('ExpiryLag', 4)
    metrics.flush()
    metrics.flush()
    expect(lines()).toEqual([
      {
        _aws: {
          Timestamp: 1_000,
          CloudWatchMetrics: [
            {
              Namespace: 'ChallengeOperator',
              Dimensions: [['stack', 'outcome']],
              Metrics: [{ Name: 'Passes', Unit: 'Count' }],
            },
          ],
        },
        stack: '123/eu-central-1/ctf',
        outcome: 'settled',
        Passes: 2,
      },
      {
        _aws: {
          Timestamp: 1_000,
          CloudWatchMetrics: [
            {
              Namespace: 'ChallengeOperator',
              Dimensions: [['stack']],
              Metrics: [
                { Name: 'PassDuration', Unit: 'Milliseconds' },
                { Name: 'ExpiryLag', Unit: 'Seconds' },
              ],
            },
          ],
        },
        stack: '123/eu-central-1/ctf',
        PassDuration: [12, 14],
        ExpiryLag: 4,
      },
    ])
  })

  it('sends no metric that costs without telling more, and the sum of one whose dimensions do', () => {
    const { metrics, lines } = emf()
    metrics.count('ApiCalls', 1, { function: 'sweep' })
    metrics.observe('QueueAge', 5)
    metrics.count('SweepFindings', 1, { cause: 'drift' })
    metrics.count('SweepFindings', 2, { cause: 'expiry' })
    metrics.flush()
    expect(lines()).toMatchObject([{ SweepFindings: 3 }])
    expect(Object.keys(lines()[0])).toEqual(['_aws', 'SweepFindings'])
  })

  it('divides a distribution of more than a hundred values, and writes all else once', () => {
    const { metrics, lines } = emf()
    for (let value = 0; value < 250; value++) metrics.observe('EventToMessageLag', value)
    metrics.set('ForwarderLeading', 1)
    metrics.flush()
    expect(lines().map(({ EventToMessageLag }) => EventToMessageLag.length)).toEqual([100, 100, 50])
    expect(lines().map(({ ForwarderLeading }) => ForwarderLeading)).toEqual([1, undefined, undefined])
    expect(lines()[1]._aws.CloudWatchMetrics[0].Metrics).toHaveLength(1)
  })
})

describe('openPrometheusMetrics', () => {
  it('tells the same names and values in seconds, with help and type', async () => {
    const { metrics, text, contentType } = await openPrometheusMetrics()
    metrics.count('Passes', 2, { outcome: 'settled' })
    metrics.observe('PassDuration', 40)
    metrics.set('OutboxLag', 7)
    const lines = (await text()).split('\n')
    expect(contentType).toContain('text/plain')
    expect(lines).toEqual(
      expect.arrayContaining([
        '# TYPE challenge_operator_passes_total counter',
        'challenge_operator_passes_total{outcome="settled"} 2',
        'challenge_operator_pass_duration_seconds_bucket{le="0.025"} 0',
        'challenge_operator_pass_duration_seconds_bucket{le="0.05"} 1',
        'challenge_operator_outbox_lag_seconds 7',
        // Begins at 0, so that its first increase shows.
        'challenge_operator_dead_letters_total 0',
      ]),
    )
  })

  it('tells no present value any more after a reset, and keeps what was counted', async () => {
    const { metrics, text, resetGauges } = await openPrometheusMetrics()
    metrics.set('ExpiryLag', 50)
    metrics.count('DeadLetters', 3)
    resetGauges()
    const lines = (await text()).split('\n')
    expect(lines).toEqual(
      expect.arrayContaining([
        'challenge_operator_expiry_lag_seconds 0',
        'challenge_operator_dead_letters_total 3',
      ]),
    )
  })

  it('has every metric of the vocabulary', async () => {
    const { text } = await openPrometheusMetrics()
    const told = [...(await text()).matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, kind]) => [name, kind])
    expect(told).toEqual(
      table.map(([name, definition]) => [prometheusName(name, definition), definition.kind]),
    )
  })
})
