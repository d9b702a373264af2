import { annotations, isManaged, labels } from '../../crd/group.ts'
import type { Kind, KubernetesObject, Stored } from '../../crd/objects.ts'
import type { Cluster } from '../../kubernetes/cluster.ts'

/**
 * The kinds in which people keep something in a namespace, see docs/isolation.md. Other kinds are not looked at: to list
 * all of them would need the right to read everything in the cluster.
 */
export const lookedFor: readonly Kind[] = [
  { apiVersion: 'v1', kind: 'Pod' },
  { apiVersion: 'v1', kind: 'Service' },
  { apiVersion: 'v1', kind: 'Secret' },
  { apiVersion: 'v1', kind: 'ConfigMap' },
  { apiVersion: 'v1', kind: 'PersistentVolumeClaim' },
  { apiVersion: 'v1', kind: 'ServiceAccount' },
  { apiVersion: 'v1', kind: 'ReplicationController' },
  { apiVersion: 'v1', kind: 'LimitRange' },
  { apiVersion: 'v1', kind: 'ResourceQuota' },
  { apiVersion: 'apps/v1', kind: 'Deployment' },
  { apiVersion: 'apps/v1', kind: 'ReplicaSet' },
  { apiVersion: 'apps/v1', kind: 'StatefulSet' },
  { apiVersion: 'apps/v1', kind: 'DaemonSet' },
  { apiVersion: 'batch/v1', kind: 'Job' },
  { apiVersion: 'batch/v1', kind: 'CronJob' },
  { apiVersion: 'autoscaling/v2', kind: 'HorizontalPodAutoscaler' },
  { apiVersion: 'policy/v1', kind: 'PodDisruptionBudget' },
  { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy' },
  { apiVersion: 'networking.k8s.io/v1', kind: 'Ingress' },
  { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'Role' },
  { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'RoleBinding' },
]

/** Kinds that are looked for where the cluster serves them. */
export const lookedForIfServed = ['HTTPRoute', 'TLSRoute'] as const

/** What controllers put into every namespace, by kind: those of Kubernetes, Istio, Linkerd and OpenShift. */
const injected: Readonly<Record<string, ReadonlySet<string>>> = {
  ConfigMap: new Set([
    'kube-root-ca.crt',
    'istio-ca-root-cert',
    'linkerd-identity-trust-roots',
    'openshift-service-ca.crt',
  ]),
  ServiceAccount: new Set(['default', 'builder', 'deployer', 'pipeline']),
  RoleBinding: new Set(['system:deployers', 'system:image-builders', 'system:image-pullers']),
}

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
  const served = await cluster.servedKinds(signal)
  const routes = lookedForIfServed.flatMap(kind => {
    const apiVersion = served.get(kind)
    return apiVersion === undefined ? [] : [{ apiVersion, kind }]
  })
  const found = await Promise.all(
    [...lookedFor, ...routes].map(async kind => {
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
  if (injected[kind]?.has(metadata.name)) return true
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
