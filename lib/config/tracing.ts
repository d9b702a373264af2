import type { TracingConfig } from '../telemetry/span.ts'
import type { Variables } from './section.ts'

/** Percent encoding as in W3C baggage, which OpenTelemetry uses for these headers. */
const header = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+=.+$/

/** Where spans are sent to. OpenTelemetry names these variables. */
export function tracing(variables: Variables): TracingConfig {
  const endpoint = variables.text('OTEL_EXPORTER_OTLP_ENDPOINT')
  if (endpoint !== undefined && !/^https?:$/.test(URL.parse(endpoint)?.protocol ?? ''))
    variables.addProblem(
      `OTEL_EXPORTER_OTLP_ENDPOINT is ${JSON.stringify(endpoint.slice(0, 80))}; write the http(s) URL of an OTLP receiver`,
    )
  const entries = (variables.text('OTEL_EXPORTER_OTLP_HEADERS') ?? '').split(',').map(each => each.trim())
  const given = entries.filter(each => each !== '')
  // The problem shows no value, since a header may hold a key.
  if (given.some(each => !header.test(each)))
    variables.addProblem(
      'OTEL_EXPORTER_OTLP_HEADERS is no list of headers; write name=value, with commas between several',
    )
  const headers = given
    .map(each => each.split('='))
    .map(([name = '', ...value]) => [name, decoded(value.join('='))])
  return { endpoint, headers: Object.fromEntries(headers) }
}

function decoded(value: string): string {
  try {
    return decodeURIComponent(value)
  } catch {
    return value
  }
}
