import { describe, expect, it } from 'vitest'
import { traceHeadersParts } from '../../../../functions/examine/trace-headers.ts'
import { parseOperatorConfig } from '../../../../lib/config/operator.ts'
import { silentLog } from '../../../../lib/telemetry/log.ts'
import { traceHeadersChecks } from '../../../../local/commands/doctor/trace-headers-check.ts'

const variable = 'OTEL_EXPORTER_OTLP_HEADERS_SECRET_ARN'
const config = parseOperatorConfig({
  [variable]: 'arn:aws:ssm:eu-central-1:123456789012:parameter/ctf/tracing-headers',
})
const lookAt = (text: string) =>
  traceHeadersChecks(config, { read: async () => text, log: silentLog })[0]?.look(AbortSignal.timeout(5_000))

describe('the headers for the receiver of traces', () => {
  it('are no line where no secret holds them', () => {
    expect(traceHeadersParts(parseOperatorConfig({}), { read: async () => '' })).toEqual([])
  })

  it('are read, and shown to nobody', async () => {
    expect(await lookAt('x-key=k')).toEqual({ fine: `read by ${variable}` })
    await expect(lookAt('HIDDEN')).rejects.toThrow(/^(?!.*HIDDEN).*is no list of headers/)
  })
})
