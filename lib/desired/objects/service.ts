import type { Named, Service } from '../../crd/objects.ts'
import type { Identity } from '../identity.ts'
import type { DeclaredPort } from '../ports.ts'

/** The selector has the instance's uid, so that a terminating pod of a predecessor never serves its successor. */
export function service(
  { name, namespace, labels, owners, podSelector }: Identity,
  ports: readonly DeclaredPort[],
): Named<Service> {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace, labels, ownerReferences: owners },
    spec: {
      type: 'ClusterIP',
      selector: podSelector,
      ports: ports.map(({ name, port, protocol, appProtocol }) => ({
        name,
        port,
        targetPort: port,
        protocol,
        ...(appProtocol && { appProtocol }),
      })),
    },
  }
}
