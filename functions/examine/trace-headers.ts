import type { OperatorConfig } from '../../lib/config/operator.ts'
import type { SecretAccess } from '../secrets.ts'
import { headersOf } from '../tracing.ts'
import type { ExaminedPart } from './examine.ts'

/** Examines whether the headers for the receiver of traces can be read. There is no line where no secret holds them. */
export function traceHeadersParts(
  { tracing: { headersSecret } }: Pick<OperatorConfig, 'tracing'>,
  { read }: Pick<SecretAccess, 'read'>,
): ExaminedPart[] {
  if (headersSecret === undefined) return []
  const by = `${headersSecret.variable}_SECRET_ARN`
  return [
    {
      part: 'trace headers',
      remedyOf: () =>
        `check ${by} (secrets.tracingHeaders in the file of the cluster), and what the role may read`,
      async look() {
        headersOf(await read(headersSecret), headersSecret)
        return { fine: `read by ${by}` }
      },
    },
  ]
}
