import type { Ingress, Named } from '../../crd/objects.ts'
import type { Identity } from '../identity.ts'

export interface IngressInput {
  identity: Identity
  annotations: Readonly<Record<string, string>>
  className: string
  host: string
  /** Port of the instance's Service. */
  port: number
  /** Players come by TLS, which the controller ends. */
  tls: boolean
}

/** Without a Secret of its own the host gets the default certificate of the controller. */
export function ingress({ identity, annotations, className, host, port, tls }: IngressInput): Named<Ingress> {
  const { name, namespace, labels, owners } = identity
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'Ingress',
    metadata: { name, namespace, labels, annotations: { ...annotations }, ownerReferences: owners },
    spec: {
      ingressClassName: className,
      tls: tls ? [{ hosts: [host] }] : [],
      rules: [
        {
          host,
          http: {
            paths: [
              { path: '/', pathType: 'Prefix', backend: { service: { name, port: { number: port } } } },
            ],
          },
        },
      ],
    },
  }
}
