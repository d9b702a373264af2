import type { ChallengeInstance } from '../../crd/challenge-instance.ts'
import type { ChallengeTemplateSpec } from '../../crd/challenge-template.ts'
import type { Named } from '../../crd/objects.ts'
import type { Problem } from '../problem.ts'

/** A DNS-1035 label, which Kubernetes requires as the name of a Service. */
const serviceName = /^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$/

/** The problem of an instance whose name its children cannot have. */
export function nameProblem(
  { metadata: { name } }: Named<ChallengeInstance>,
  { containers = [] }: ChallengeTemplateSpec,
): Problem | undefined {
  if (!serviceName.test(name))
    return {
      reason: 'NameInvalid',
      message:
        `The name "${name.slice(0, 63)}" cannot name a Service; create the instance again under a name of at most 63 ` +
        'lower-case letters, digits and dashes that begins with a letter.',
    }
  if (containers.some(container => container.name === name))
    return {
      reason: 'NameInvalid',
      message:
        `The name "${name}" is the name of a further container of the template too; create the instance again ` +
        'under another name.',
    }
  return undefined
}
