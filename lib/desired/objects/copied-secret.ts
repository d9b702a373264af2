import { annotations, fieldManager, isManaged, labels } from '../../crd/group.ts'
import type { KubernetesObject, Named, Secret, Stored } from '../../crd/objects.ts'

/** The only type of Secrets that controllers take for certificates. */
export const tlsSecretType = 'kubernetes.io/tls'

/** Names a Secret without its kind. */
export interface SecretName {
  namespace: string
  name: string
}

/** Builds the copy of a Secret in another namespace. It says what it was copied from, and in which version. */
export function copiedSecret(source: Stored<Secret>, { namespace, name }: SecretName): Named<Secret> {
  const { metadata, type, data = {} } = source
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: {
      name,
      namespace,
      labels: {
        [labels.managedBy]: fieldManager,
        ...(type === tlsSecretType && { [labels.certificate]: 'true' }),
      },
      annotations: {
        [annotations.copiedFrom]: `${metadata.namespace}/${metadata.name}`,
        [annotations.copiedVersion]: metadata.resourceVersion,
      },
    },
    ...(type && { type }),
    data,
  }
}

/** Whether an object is our copy of this Secret. The metadata suffice. */
export function isCopyOf({ metadata }: KubernetesObject, { namespace, name }: SecretName): boolean {
  return isManaged(metadata) && metadata.annotations?.[annotations.copiedFrom] === `${namespace}/${name}`
}
