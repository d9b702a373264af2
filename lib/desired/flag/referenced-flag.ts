import type { OperatorConfig } from '../../config/operator.ts'
import { fieldManager, labels } from '../../crd/group.ts'
import type { Secret, Stored } from '../../crd/objects.ts'
import type { Problem } from '../problem.ts'

/** The type of a Secret that `kubectl create secret generic` makes. */
const opaque = 'Opaque'

/** The most characters that a status shows of a type. Its writer chose it, and it may be as long as an object. */
const longestType = 100

/**
 * Returns the value of a key of the Secret that a template's `secretRef` names; undefined if there is none.
 *
 * A template's author may lack the right to read Secrets, and the flag goes into a container of that author. So a Secret is
 * refused that holds another instance's flag or a template's revision (our managed-by label), or that is made for another
 * use (its type). With `flagSecrets: 'labelled'` only a Secret with the label `for-challenges` is taken.
 */
export function referencedFlag(
  secret: Stored<Secret> | undefined,
  key: string,
  { flagSecrets }: Pick<OperatorConfig, 'flagSecrets'>,
): string | Problem | undefined {
  if (secret === undefined) return undefined
  const { metadata, type = opaque, data } = secret
  const { [labels.managedBy]: manager, [labels.forChallenges]: forChallenges } = metadata.labels ?? {}
  if (manager === fieldManager)
    return refused(metadata.name, 'the operator made it for itself; name a Secret of your own')
  if (type !== opaque)
    return refused(
      metadata.name,
      `its type is ${JSON.stringify(type.slice(0, longestType))}; create a Secret of the type ${opaque} with the flag, and name that one`,
    )
  if (flagSecrets === 'labelled' && forChallenges !== 'true')
    return refused(
      metadata.name,
      `it lacks the label ${labels.forChallenges}: "true"; set it if the Secret holds a flag`,
    )
  const value = data?.[key]
  return value === undefined ? undefined : Buffer.from(value, 'base64').toString('utf8')
}

function refused(name: string, why: string): Problem {
  return {
    reason: 'FlagSecretRefused',
    message: `Secret "${name}" cannot hold the flag of a template: ${why}.`,
  }
}
