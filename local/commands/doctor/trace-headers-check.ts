import { traceHeadersParts } from '../../../functions/examine/trace-headers.ts'
import type { SecretAccess } from '../../../functions/secrets.ts'
import type { OperatorConfig } from '../../../lib/config/operator.ts'
import type { Check } from '../../../lib/doctor/check.ts'
import { examinationSource } from '../../../lib/doctor/examination.ts'

/** Whether the headers for the receiver of traces can be read, where AWS keeps them. */
export function traceHeadersChecks(config: OperatorConfig, access: SecretAccess): Check[] {
  return traceHeadersParts(config, access).map(({ part: name, remedyOf, look }) => ({
    name,
    remedy: remedyOf(''),
    async look(signal) {
      const found = await look({ source: examinationSource }, signal)
      return Array.isArray(found) ? found.map(({ finding }) => finding) : found
    },
  }))
}
