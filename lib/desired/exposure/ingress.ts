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
  /** Secret with the certificate, beside the Ingress; undefined: the controller's own. */
  secretName: string | undefined
}

/** Without a Secret the host gets the default certificate of the controller. */
export function ingress(input: IngressInput): Named<Ingress> {
  const { identity, annotations, className, host, port, tls, secretName } = input
  const { name, namespace, labels, owners } = identity
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'Ingress',
    metadata: { name, namespace, labels, annotations: { ...annotations }, ownerReferences: owners },
    spec: {
      ingressClassName: className,
      tls: tls ? [{ hosts: [host], ...(secretName !== undefined && { secretName }) }] : [],
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
