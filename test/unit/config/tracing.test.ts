import { describe, expect, it } from 'vitest'
import { parseOperatorConfig } from '../../../lib/config/operator.ts'
import { problemsOf } from './problems-of.ts'

const arn = 'arn:aws:ssm:eu-central-1:123456789012:parameter/ctf/tracing-headers'

describe('the configuration of traces', () => {
  it('is none without an endpoint', () => {
    expect(parseOperatorConfig({}).tracing).toEqual({
      endpoint: undefined,
      headers: {},
      headersSecret: undefined,
    })
  })

  it('has an endpoint, and headers that are percent-encoded', () => {
    const tracing = parseOperatorConfig({
      OTEL_EXPORTER_OTLP_ENDPOINT: 'https://collector.example.com:4318',
      OTEL_EXPORTER_OTLP_HEADERS: 'x-key=a%20b=c, tenant=ctf',
    }).tracing
    expect(tracing).toEqual({
      endpoint: 'https://collector.example.com:4318',
      headers: { 'x-key': 'a b=c', tenant: 'ctf' },
      headersSecret: undefined,
    })
  })

  it('names a secret in place of the headers', () => {
    const { headers, headersSecret } = parseOperatorConfig({
      OTEL_EXPORTER_OTLP_HEADERS_SECRET_ARN: arn,
    }).tracing
    expect(headers).toEqual({})
    expect(headersSecret).toMatchObject({ arn, service: 'ssm', variable: 'OTEL_EXPORTER_OTLP_HEADERS' })
  })

  it.each([
    [
      { OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:4318' },
      'OTEL_EXPORTER_OTLP_ENDPOINT is "collector:4318"; write the http',
    ],
    [{ OTEL_EXPORTER_OTLP_HEADERS: 'HIDDEN' }, 'OTEL_EXPORTER_OTLP_HEADERS is no list of headers'],
    [{ OTEL_EXPORTER_OTLP_HEADERS_SECRET_ARN: 'x-key' }, 'OTEL_EXPORTER_OTLP_HEADERS_SECRET_ARN is "x-key"'],
    [
      { OTEL_EXPORTER_OTLP_HEADERS_SECRET_ARN: arn, OTEL_EXPORTER_OTLP_HEADERS: 'a=HIDDEN' },
      'OTEL_EXPORTER_OTLP_HEADERS and OTEL_EXPORTER_OTLP_HEADERS_SECRET_ARN are both set',
    ],
  ])('refuses %o', (environment, problem) => {
    const problems = problemsOf(environment, parseOperatorConfig)
    expect(problems).toContain(problem)
    expect(problems).not.toContain('HIDDEN')
  })
})
