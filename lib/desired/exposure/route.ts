import type { ExposureConfig } from '../../config/exposure.ts'
import { gatewayKind } from '../../crd/child-kinds.ts'
import type { GatewayRoute, Named } from '../../crd/objects.ts'
import type { Identity } from '../identity.ts'

export interface RouteInput {
  identity: Identity
  kind: 'HTTPRoute' | 'TLSRoute'
  /** The version in which the cluster serves the kind. */
  apiVersion: string
  gateway: NonNullable<ExposureConfig['gateway']>
  annotations: Readonly<Record<string, string>>
  host: string
  /** Port of the instance's Service. */
  port: number
}

/**
 * Leads the requests for a host to an instance: by their Host header (HTTPRoute), or by the server name of TLS, which the
 * pod ends with a certificate of its own (TLSRoute).
 */
export function route(input: RouteInput): Named<GatewayRoute> {
  const { identity, kind, apiVersion, gateway, annotations, host, port } = input
  const { name, namespace, labels, owners } = identity
  const [group = ''] = gatewayKind.apiVersion.split('/')
  return {
    apiVersion,
    kind,
    metadata: { name, namespace, labels, annotations: { ...annotations }, ownerReferences: owners },
    spec: {
      parentRefs: [
        {
          group,
          kind: gatewayKind.kind,
          namespace: gateway.namespace,
          name: gateway.name,
          ...(gateway.section !== undefined && { sectionName: gateway.section }),
        },
      ],
      hostnames: [host],
      rules: [{ backendRefs: [{ group: '', kind: 'Service', name, port, weight: 1 }] }],
    },
  }
}
