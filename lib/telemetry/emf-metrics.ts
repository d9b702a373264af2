import { type MetricDefinition, type Metrics, metrics } from './metrics.ts'

export const metricNamespace = 'ChallengeOperator'

export interface EmfOptions {
  /** Tells two stacks of one account apart: the dimension `stack` of every metric. Undefined: there is no such dimension. */
  stack?: string | undefined
  /** Takes one line without its end. Default: stdout, where CloudWatch reads it. */
  write?: (line: string) => void
  /** Epoch milliseconds. */
  now?: () => number
}

/** The format accepts so many values of one metric in a document. */
const valuesLimit = 100

const units = { count: 'Count', milliseconds: 'Milliseconds', seconds: 'Seconds' } as const

interface Document {
  dimensions: Record<string, string>
  /** The sum of a counter, the last value of a gauge, all values of a distribution. */
  values: Map<string, number | number[]>
}

/**
 * Writes CloudWatch's embedded metric format, which costs no call: one line for each combination of dimensions at a flush.
 * What a metric costs and when it is sent stands beside it (`MetricDefinition.cloudWatch`).
 */
export function openEmfMetrics(options: EmfOptions = {}): Metrics {
  const { stack, write = line => process.stdout.write(`${line}\n`), now = Date.now } = options
  const stackDimension = stack === undefined ? {} : { stack }
  let documents = new Map<string, Document>()

  function valuesFor(
    name: keyof typeof metrics,
    dimensions: Record<string, string>,
  ): Document['values'] | undefined {
    const { cloudWatch } = metrics[name]
    if (cloudWatch === 'never') return undefined
    const own = cloudWatch === 'without-dimensions' ? {} : dimensions
    const id = JSON.stringify(own)
    let document = documents.get(id)
    if (document === undefined) {
      document = { dimensions: { ...stackDimension, ...own }, values: new Map() }
      documents.set(id, document)
    }
    return document.values
  }

  return {
    count(name, value, dimensions: Record<string, string> = {}) {
      const values = valuesFor(name, dimensions)
      values?.set(name, Number(values.get(name) ?? 0) + value)
    },
    observe(name, value, dimensions: Record<string, string> = {}) {
      const values = valuesFor(name, dimensions)
      if (values === undefined) return
      const list = values.get(name) as number[] | undefined
      if (list) list.push(value)
      else values.set(name, [value])
    },
    set(name, value, dimensions: Record<string, string> = {}) {
      valuesFor(name, dimensions)?.set(name, value)
    },
    flush() {
      const collected = documents
      documents = new Map()
      const at = now()
      for (const document of collected.values()) for (const line of linesOf(document, at)) write(line)
    },
  }
}

/** Usually one line. A distribution of more values than the format accepts needs further ones. */
function linesOf({ dimensions, values }: Document, at: number): string[] {
  const lines: string[] = []
  for (let from = 0, more = true; more; from += valuesLimit) {
    const page = [...values].flatMap(([name, value]): [string, number | number[]][] => {
      if (!Array.isArray(value)) return from === 0 ? [[name, value]] : []
      const part = value.slice(from, from + valuesLimit)
      return part.length === 0 ? [] : [[name, part]]
    })
    lines.push(lineOf(dimensions, page, at))
    more = [...values.values()].some(value => Array.isArray(value) && value.length > from + valuesLimit)
  }
  return lines
}

function lineOf(
  dimensions: Record<string, string>,
  values: readonly [string, number | number[]][],
  at: number,
): string {
  const table: Record<string, MetricDefinition> = metrics
  const Metrics = values.map(([name]) => ({ Name: name, Unit: units[table[name]?.unit ?? 'count'] }))
  const directive = { Namespace: metricNamespace, Dimensions: [Object.keys(dimensions)], Metrics }
  const head = { _aws: { Timestamp: at, CloudWatchMetrics: [directive] } }
  return JSON.stringify({ ...head, ...dimensions, ...Object.fromEntries(values) })
}
