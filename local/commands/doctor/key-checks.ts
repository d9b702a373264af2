import { examinedKeys, partOf } from '../../../functions/examine/keys.ts'
import type { SecretAccess } from '../../../functions/secrets.ts'
import type { OperatorConfig } from '../../../lib/config/operator.ts'
import type { Check } from '../../../lib/doctor/check.ts'

/** Whether the keys of flags are set, and can be read where AWS keeps them. */
export function keyChecks(config: OperatorConfig, access: SecretAccess): Check[] {
  return examinedKeys(config, access).map(({ name, look }) => ({
    name: partOf(name),
    remedy: `check ${name}_SECRET_ARN`,
    look,
  }))
}
