import { type MetricDefinition, metrics } from '../../lib/telemetry/metrics.ts'
import { measured } from './measured.ts'
import { prices } from './prices.ts'

/** One line of the bill of a month, in US dollars. */
export interface CostLine {
  name: string
  dollars: number
}

export interface Month {
  /** Instances of one event in the month, each of which starts, is renewed and ends once. 0: nothing happens. */
  instances: number
  /** Alarms of the stack. */
  alarms: number
}

const { hours } = measured
const minutes = hours * 60

/** Computes what the stack costs in a month. Everything but `instances` follows from the prices and from `measured.ts`. */
export function costOfMonth({ instances, alarms }: Month): CostLine[] {
  const work = workOf(instances)
  return [
    { name: 'Lambda: watch-forwarder', dollars: forwarderDollars() },
    { name: 'Lambda: sweep', dollars: sweepDollars(instances) },
    { name: 'Lambda: publish', dollars: lambda(minutes * measured.publish.perMinute, measured.publish) },
    { name: 'Lambda: reconcile, timer', dollars: work.lambda },
    { name: 'SQS', dollars: pollDollars() + work.sqs },
    { name: 'EventBridge', dollars: instances * measured.eventsPerInstance * prices.eventBridge.customEvent },
    { name: 'CloudWatch: metrics', dollars: metricDollars(instances) },
    { name: 'CloudWatch: alarms', dollars: alarms * prices.cloudWatch.alarmMonth },
    {
      name: 'CloudWatch: logs',
      dollars: ((restBytes() + work.logBytes) / 1e9) * prices.cloudWatch.logGigabyte,
    },
    { name: 'Secrets Manager', dollars: secretDollars() },
  ]
}

/** What the operator needs beside its stack, for a whole month. */
export function costBeside(): CostLine[] {
  const { beside } = prices
  return [
    { name: 'EKS: the cluster, without its nodes', dollars: beside.eksClusterHour * hours },
    { name: 'RDS: one db.t4g.micro, without storage', dollars: beside.rdsMicroHour * hours },
    { name: 'NAT gateway, one, without data', dollars: beside.natGatewayHour * hours },
    { name: 'Interface endpoint, each in one zone', dollars: beside.interfaceEndpointHour * hours },
  ]
}

export function total(lines: readonly CostLine[]): number {
  return lines.reduce((sum, { dollars }) => sum + dollars, 0)
}

/** Metrics by when CloudWatch gets them, each value of a dimension counted as one. */
export function metricCount(when: 'at rest' | 'during an event'): number {
  const table: [string, MetricDefinition][] = Object.entries(metrics)
  const windows: readonly string[] = measured.metricsOfWindows
  const isAtRest = (name: string, { cloudWatch }: MetricDefinition) =>
    cloudWatch === 'always' || windows.includes(name)
  return table
    .filter(([, { cloudWatch }]) => cloudWatch !== 'never')
    .filter(([name, definition]) => isAtRest(name, definition) === (when === 'at rest'))
    .reduce((sum, [, { cloudWatch, dimensions }]) => {
      const values = cloudWatch === 'without-dimensions' ? [] : Object.values(dimensions)
      return sum + values.reduce((product, { length }) => product * length, 1)
    }, 0)
}

function lambda(invocations: number, { memoryGb, seconds }: { memoryGb: number; seconds: number }): number {
  const { gbSecondArm64, request } = prices.lambda
  return invocations * (seconds * memoryGb * gbSecondArm64 + request)
}

/** Sweeps of an event compare its instances; those of the other hours find none. */
function sweepDollars(instances: number): number {
  const { perMinute, memoryGb, secondsAtRest, secondsPerInstance } = measured.sweep
  const sweeps = (inHours: number) => inHours * 60 * perMinute
  const during = instances === 0 ? 0 : measured.eventHours
  const atRest = lambda(sweeps(hours - during), { memoryGb, seconds: secondsAtRest })
  return (
    atRest + lambda(sweeps(during), { memoryGb, seconds: secondsAtRest + instances * secondsPerInstance })
  )
}

function forwarderDollars(): number {
  const { windows, memoryGb, lookSeconds } = measured.forwarder
  const watching = windows * hours * 3_600 * memoryGb * prices.lambda.gbSecondArm64
  return watching + lambda(minutes, { memoryGb, seconds: lookSeconds })
}

/** changes.fifo, timers and sweeps are polled by Lambda, whether anything happens or not. */
function pollDollars(): number {
  const polls = minutes * measured.queues.pollsPerMinute
  const sweeps = minutes * (measured.sweep.perMinute - 1) * measured.queues.requestsPerMessage
  return polls * prices.sqs.fifoRequest + (2 * polls + sweeps) * prices.sqs.standardRequest
}

function metricDollars(instances: number): number {
  const { metricMonth } = prices.cloudWatch
  const during = instances === 0 ? 0 : metricCount('during an event') * (measured.eventHours / hours)
  return (metricCount('at rest') + during) * metricMonth
}

/** Bytes that an operator at rest writes to the log in a month. */
function restBytes(): number {
  const { perInvocation, perLine, perMetricLine } = measured.logBytes
  const { sweep, publish, forwarder, forwarderMetricLinesPerMinute } = measured
  const windows = (forwarder.windows * minutes) / forwarder.seatMinutes
  const invocationsPerMinute = sweep.perMinute + publish.perMinute + 1
  const metricLinesPerMinute = sweep.perMinute + publish.perMinute + forwarderMetricLinesPerMinute
  return (
    minutes * (invocationsPerMinute * perInvocation + metricLinesPerMinute * perMetricLine) +
    windows * forwarder.linesPerWindow * perLine
  )
}

function secretDollars(): number {
  const { secretMonth, call } = prices.secretsManager
  const { count, readsPerHour } = measured.secrets
  return count * secretMonth + readsPerHour * hours * call
}

/** What instances add: passes, messages, timers and their lines, as if each pass had an invocation of its own. */
function workOf(instances: number): { lambda: number; sqs: number; logBytes: number } {
  const { reconcile, timer, queues, logBytes } = measured
  const passes = instances * reconcile.passesPerInstance
  const timers = instances * timer.perInstance
  const { memoryGb, secondsPerPass: seconds } = reconcile
  return {
    lambda: lambda(passes, { memoryGb, seconds }) + lambda(timers, timer),
    sqs: queues.requestsPerMessage * (passes * prices.sqs.fifoRequest + timers * prices.sqs.standardRequest),
    // Two lines of the pass, and two of its metrics.
    logBytes:
      passes * (logBytes.perInvocation + 2 * logBytes.perLine + 2 * logBytes.perMetricLine) +
      timers * logBytes.perInvocation,
  }
}
