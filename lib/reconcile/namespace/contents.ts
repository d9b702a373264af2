import { annotations, isManaged, labels } from '../../crd/group.ts'
import type { Kind, KubernetesObject, Stored } from '../../crd/objects.ts'
import type { Cluster } from '../../kubernetes/cluster.ts'

/**
 * The kinds in which people keep something in a namespace. Other kinds are not looked at: to list all of them would need
 * the right to read everything in the cluster.
 */
const looked: readonly Kind[] = [
  { apiVersion: 'v1', kind: 'Pod' },
  { apiVersion: 'v1', kind: 'Service' },
  { apiVersion: 'v1', kind: 'Secret' },
  { apiVersion: 'v1', kind: 'ConfigMap' },
  { apiVersion: 'v1', kind: 'PersistentVolumeClaim' },
  { apiVersion: 'apps/v1', kind: 'Deployment' },
  { apiVersion: 'apps/v1', kind: 'StatefulSet' },
  { apiVersion: 'apps/v1', kind: 'DaemonSet' },
  { apiVersion: 'batch/v1', kind: 'Job' },
  { apiVersion: 'batch/v1', kind: 'CronJob' },
  { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy' },
  { apiVersion: 'networking.k8s.io/v1', kind: 'Ingress' },
]

/** ConfigMaps that controllers put into every namespace: those of Kubernetes, Istio, Linkerd and OpenShift. */
const injected: ReadonlySet<string> = new Set([
  'kube-root-ca.crt',
  'istio-ca-root-cert',
  'linkerd-identity-trust-roots',
  'openshift-service-ca.crt',
])

/** Set by Kubernetes on the Secret of a ServiceAccount's token. */
const tokenOfAccount = 'kubernetes.io/service-account.name'

/**
 * Returns the kind and name of something in a namespace that keeps it from being deleted; undefined: there is nothing.
 * @param mayGo whether an object that the operator made may go with the namespace
 */
export async function keptBy(
  cluster: Cluster,
  namespace: string,
  mayGo: (object: Stored<KubernetesObject>) => boolean,
  signal: AbortSignal,
): Promise<string | undefined> {
  const found = await Promise.all(
    looked.map(async kind => {
      for await (const page of cluster.list(kind, { namespace, metadataOnly: true }, signal)) {
        const keeps = page.find(
          object => !isInjected(kind, object) && !(isManaged(object.metadata) && mayGo(object)),
        )
        if (keeps) return `${kind.kind} "${keeps.metadata.name}"`
      }
      return undefined
    }),
  )
  return found.find(each => each !== undefined)
}

function isInjected({ kind }: Kind, { metadata }: Stored<KubernetesObject>): boolean {
  if (kind === 'ConfigMap') return injected.has(metadata.name)
  return kind === 'Secret' && metadata.annotations?.[tokenOfAccount] !== undefined
}

/** Whether an object belongs to no instance, as everything that a namespace has once. */
export function isOfNamespace({ metadata }: KubernetesObject): boolean {
  return metadata.labels?.[labels.instanceUid] === undefined
}

/** What the namespace says about something that keeps it. */
export function saysKept({ metadata }: KubernetesObject, what: string): boolean {
  return metadata.annotations?.[annotations.kept] === what
}
