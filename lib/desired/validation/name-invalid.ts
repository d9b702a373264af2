import type { ChallengeInstance } from '../../crd/challenge-instance.ts'
import type { ChallengeTemplateSpec } from '../../crd/challenge-template.ts'
import type { Refusal } from '../refusal.ts'

/** DNS-1035 label: what a Service can be called. */
const serviceName = /^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$/

/** Why no children can have the instance's name. */
export function nameInvalid(
  { metadata: { name = '' } }: ChallengeInstance,
  { containers = [] }: ChallengeTemplateSpec,
): Refusal | undefined {
  if (!serviceName.test(name))
    return {
      refused: 'NameInvalid',
      message:
        `The name "${name.slice(0, 63)}" cannot name a Service; create the instance again under a name of at most 63 ` +
        'lower-case letters, digits and dashes that begins with a letter.',
    }
  if (containers.some(container => container.name === name))
    return {
      refused: 'NameInvalid',
      message:
        `The name "${name}" is the name of a further container of the template too; create the instance again ` +
        'under another name.',
    }
  return undefined
}
