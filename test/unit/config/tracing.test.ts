import { describe, expect, it } from 'vitest'
import { parseOperatorConfig } from '../../../lib/config/operator.ts'
import { problemsOf } from './problems-of.ts'

describe('the configuration of traces', () => {
  it('is none without an endpoint', () => {
    expect(parseOperatorConfig({}).tracing).toEqual({ endpoint: undefined, headers: {} })
  })

  it('has an endpoint, and headers that are percent-encoded', () => {
    const tracing = parseOperatorConfig({
      OTEL_EXPORTER_OTLP_ENDPOINT: 'https://collector.example.com:4318',
      OTEL_EXPORTER_OTLP_HEADERS: 'x-key=a%20b=c, tenant=ctf',
    }).tracing
    expect(tracing).toEqual({
      endpoint: 'https://collector.example.com:4318',
      headers: { 'x-key': 'a b=c', tenant: 'ctf' },
    })
  })

  it.each([
    [
      { OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:4318' },
      'OTEL_EXPORTER_OTLP_ENDPOINT is "collector:4318"; write the http',
    ],
    [{ OTEL_EXPORTER_OTLP_HEADERS: 'HIDDEN' }, 'OTEL_EXPORTER_OTLP_HEADERS is no list of headers'],
  ])('refuses %o', (environment, problem) => {
    const problems = problemsOf(environment, parseOperatorConfig)
    expect(problems).toContain(problem)
    expect(problems).not.toContain('HIDDEN')
  })
})
