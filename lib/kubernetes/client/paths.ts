import { apiVersion } from '../../crd/group.ts'
import type { Kind, ObjectReference } from '../../crd/objects.ts'

type Scope = 'namespaced' | 'cluster'

/** The kinds that the operator reads or writes. Asking the server's discovery would cost a call at each cold start. */
const resources: Record<string, [resource: string, scope: Scope]> = {
  [`${apiVersion} ChallengeInstance`]: ['challengeinstances', 'namespaced'],
  [`${apiVersion} ChallengeTemplate`]: ['challengetemplates', 'namespaced'],
  'v1 ConfigMap': ['configmaps', 'namespaced'],
  'v1 LimitRange': ['limitranges', 'namespaced'],
  'v1 Namespace': ['namespaces', 'cluster'],
  'v1 PersistentVolumeClaim': ['persistentvolumeclaims', 'namespaced'],
  'v1 Pod': ['pods', 'namespaced'],
  'v1 ReplicationController': ['replicationcontrollers', 'namespaced'],
  'v1 ResourceQuota': ['resourcequotas', 'namespaced'],
  'v1 Secret': ['secrets', 'namespaced'],
  'v1 Service': ['services', 'namespaced'],
  'v1 ServiceAccount': ['serviceaccounts', 'namespaced'],
  'admissionregistration.k8s.io/v1 MutatingAdmissionPolicy': ['mutatingadmissionpolicies', 'cluster'],
  'admissionregistration.k8s.io/v1 MutatingAdmissionPolicyBinding': [
    'mutatingadmissionpolicybindings',
    'cluster',
  ],
  'admissionregistration.k8s.io/v1 ValidatingAdmissionPolicy': ['validatingadmissionpolicies', 'cluster'],
  'admissionregistration.k8s.io/v1 ValidatingAdmissionPolicyBinding': [
    'validatingadmissionpolicybindings',
    'cluster',
  ],
  'apiextensions.k8s.io/v1 CustomResourceDefinition': ['customresourcedefinitions', 'cluster'],
  'apps/v1 DaemonSet': ['daemonsets', 'namespaced'],
  'apps/v1 Deployment': ['deployments', 'namespaced'],
  'apps/v1 ReplicaSet': ['replicasets', 'namespaced'],
  'apps/v1 StatefulSet': ['statefulsets', 'namespaced'],
  'authentication.k8s.io/v1 SelfSubjectReview': ['selfsubjectreviews', 'cluster'],
  'authorization.k8s.io/v1 SelfSubjectAccessReview': ['selfsubjectaccessreviews', 'cluster'],
  'authorization.k8s.io/v1 SubjectAccessReview': ['subjectaccessreviews', 'cluster'],
  'autoscaling/v2 HorizontalPodAutoscaler': ['horizontalpodautoscalers', 'namespaced'],
  'batch/v1 CronJob': ['cronjobs', 'namespaced'],
  'batch/v1 Job': ['jobs', 'namespaced'],
  'coordination.k8s.io/v1 Lease': ['leases', 'namespaced'],
  'events.k8s.io/v1 Event': ['events', 'namespaced'],
  'gateway.networking.k8s.io/v1 Gateway': ['gateways', 'namespaced'],
  'gateway.networking.k8s.io/v1 HTTPRoute': ['httproutes', 'namespaced'],
  'gateway.networking.k8s.io/v1 TLSRoute': ['tlsroutes', 'namespaced'],
  'gateway.networking.k8s.io/v1alpha2 TLSRoute': ['tlsroutes', 'namespaced'],
  'gateway.networking.k8s.io/v1alpha3 TLSRoute': ['tlsroutes', 'namespaced'],
  'networking.k8s.io/v1 Ingress': ['ingresses', 'namespaced'],
  'networking.k8s.io/v1 IngressClass': ['ingressclasses', 'cluster'],
  'networking.k8s.io/v1 NetworkPolicy': ['networkpolicies', 'namespaced'],
  'policy/v1 PodDisruptionBudget': ['poddisruptionbudgets', 'namespaced'],
  'rbac.authorization.k8s.io/v1 Role': ['roles', 'namespaced'],
  'rbac.authorization.k8s.io/v1 RoleBinding': ['rolebindings', 'namespaced'],
}

/** Returns the path of a collection, of all namespaces if none is given. @throws Error for a kind that is not in the table */
export function collectionPath(kind: Kind, namespace?: string): string {
  const [resource, scope] = lookUp(kind)
  const root = kind.apiVersion.includes('/') ? `/apis/${kind.apiVersion}` : `/api/${kind.apiVersion}`
  if (namespace === undefined || scope === 'cluster') return `${root}/${resource}`
  return `${root}/namespaces/${segment(namespace)}/${resource}`
}

/** Returns the path of one object. @throws Error for an unknown kind, or a namespaced one without its namespace */
export function objectPath(reference: ObjectReference): string {
  const { kind, namespace, name } = reference
  if (namespace === undefined && lookUp(reference)[1] === 'namespaced')
    throw new Error(`${kind} "${name}" is named without its namespace`)
  return `${collectionPath(reference, namespace)}/${segment(name)}`
}

/** Whether the objects of a kind lie in no namespace. @throws Error for a kind that is not in the table */
export function isClusterScoped(kind: Kind): boolean {
  return lookUp(kind)[1] === 'cluster'
}

function lookUp({ apiVersion: version, kind }: Kind): [string, Scope] {
  const found = resources[`${version} ${kind}`]
  if (!found) throw new Error(`${version} ${kind} is not among the kinds this operator knows (paths.ts)`)
  return found
}

/** @throws Error for an empty name, which would name the collection, and for dots, which would name a parent */
function segment(name: string): string {
  if (name === '' || name === '.' || name === '..') throw new Error(`${JSON.stringify(name)} is no name`)
  return encodeURIComponent(name)
}
