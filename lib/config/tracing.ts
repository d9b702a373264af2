import type { TraceHeaders, TracingConfig } from '../telemetry/span.ts'
import type { Variables } from './section.ts'

const variable = 'OTEL_EXPORTER_OTLP_HEADERS'

/** Percent encoding as in W3C baggage, which OpenTelemetry uses for these headers. */
const header = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+=.+$/

/** Where spans are sent to. OpenTelemetry names these variables. */
export function tracing(variables: Variables): TracingConfig {
  const endpoint = variables.text('OTEL_EXPORTER_OTLP_ENDPOINT')
  if (endpoint !== undefined && !/^https?:$/.test(URL.parse(endpoint)?.protocol ?? ''))
    variables.addProblem(
      `OTEL_EXPORTER_OTLP_ENDPOINT is ${JSON.stringify(endpoint.slice(0, 80))}; write the http(s) URL of an OTLP receiver`,
    )
  const { value, reference } = variables.secret(variable)
  if (value !== undefined && reference !== undefined)
    variables.addProblem(`${variable} and ${variable}_SECRET_ARN are both set; unset one of them`)
  const headers = headersIn(value ?? '')
  // The problem shows no value, since a header may hold a key.
  if (headers === undefined)
    variables.addProblem(`${variable} is no list of headers; write name=value, with commas between several`)
  return { endpoint, headers: headers ?? {}, headersSecret: reference }
}

/** @returns undefined if the text is no list of headers */
export function headersIn(text: string): TraceHeaders | undefined {
  const given = text
    .split(',')
    .map(each => each.trim())
    .filter(each => each !== '')
  if (given.some(each => !header.test(each))) return undefined
  const headers = given
    .map(each => each.split('='))
    .map(([name = '', ...value]) => [name, decoded(value.join('='))])
  return Object.fromEntries(headers)
}

function decoded(value: string): string {
  try {
    return decodeURIComponent(value)
  } catch {
    return value
  }
}
