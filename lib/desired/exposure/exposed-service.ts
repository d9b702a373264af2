import type { Named, Service } from '../../crd/objects.ts'
import { exposedServiceName, type Identity } from '../identity.ts'
import type { DeclaredPort } from '../ports.ts'

export interface ExposedServiceInput {
  identity: Identity
  type: 'NodePort' | 'LoadBalancer'
  annotations: Readonly<Record<string, string>>
  port: DeclaredPort
  /** Every node answers, and not only the one of the pod. The pod then sees the address of a node instead of the player's. */
  everyNode: boolean
}

/** The Service by which players reach an instance directly. It has the exposed port only. */
export function exposedService(input: ExposedServiceInput): Named<Service> {
  const { identity, type, annotations, everyNode } = input
  const { namespace, labels, owners, podSelector } = identity
  const { name, port, protocol, appProtocol } = input.port
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: {
      name: exposedServiceName(identity.name),
      namespace,
      labels,
      annotations: { ...annotations },
      ownerReferences: owners,
    },
    spec: {
      type,
      selector: podSelector,
      ports: [{ name, port, targetPort: port, protocol, ...(appProtocol && { appProtocol }) }],
      externalTrafficPolicy: everyNode ? 'Cluster' : 'Local',
    },
  }
}
