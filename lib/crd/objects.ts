/**
 * Kubernetes objects as the API server sends them: plain JSON, with the fields that this operator reads or writes.
 * Times are RFC 3339 strings, quantities strings or numbers, as the API server sends them.
 */

export interface OwnerReference {
  apiVersion: string
  kind: string
  name: string
  uid: string
  controller?: boolean
  blockOwnerDeletion?: boolean
}

export interface ManagedFieldsEntry {
  manager?: string
  operation?: 'Apply' | 'Update'
  apiVersion?: string
  time?: string
  fieldsType?: string
  fieldsV1?: Record<string, unknown>
  subresource?: string
}

export interface ObjectMeta {
  name?: string
  namespace?: string
  uid?: string
  resourceVersion?: string
  generation?: number
  creationTimestamp?: string
  deletionTimestamp?: string
  /** The seconds by which `deletionTimestamp` lies after the deletion was asked for. */
  deletionGracePeriodSeconds?: number
  labels?: Record<string, string>
  annotations?: Record<string, string>
  finalizers?: string[]
  ownerReferences?: OwnerReference[]
  managedFields?: ManagedFieldsEntry[]
}

export interface KubernetesObject {
  apiVersion: string
  kind: string
  metadata: ObjectMeta
}

/** A kind of objects, in one version of its API group. */
export interface Kind {
  apiVersion: string
  kind: string
}

/** Names one object. `namespace` is absent for a cluster-scoped kind. */
export interface ObjectReference extends Kind {
  namespace?: string
  name: string
}

export interface NamespacedReference extends ObjectReference {
  namespace: string
}

/** An object with a name and a namespace, such as a built object before it is sent, or a stored object. */
export type Named<T extends KubernetesObject> = T & {
  metadata: ObjectMeta & { name: string; namespace: string }
}

/** An object as the API server returned it. The adapter proves that the fields are there. */
export type Stored<T extends KubernetesObject> = T & { metadata: StoredMeta & { namespace: string } }

/** A `Stored` object whose kind may be cluster-scoped, such as a Namespace or a CRD. */
export type StoredOfAnyScope<T extends KubernetesObject> = T & { metadata: StoredMeta }

export interface StoredMeta extends ObjectMeta {
  name: string
  uid: string
  resourceVersion: string
  /** RFC 3339. */
  creationTimestamp: string
}

/** A deleted object. If its DELETED event was missed, only its absence from a list shows, so no other fields are known. */
export interface GoneObject {
  metadata: { namespace: string; name: string; uid: string }
}

/** metav1.Condition. */
export interface Condition {
  type: string
  status: 'True' | 'False' | 'Unknown'
  reason: string
  message: string
  lastTransitionTime: string
  observedGeneration?: number
}

export interface ContainerPort {
  name?: string
  containerPort: number
  protocol?: 'TCP' | 'UDP'
}

export interface EnvVar {
  name: string
  value?: string
  valueFrom?: { secretKeyRef?: { name: string; key: string; optional?: boolean } }
}

export interface Probe {
  httpGet?: { path?: string; port: number | string }
  tcpSocket?: { port: number | string }
  initialDelaySeconds?: number
  periodSeconds?: number
  timeoutSeconds?: number
  failureThreshold?: number
}

export interface Container {
  name: string
  image: string
  command?: string[]
  args?: string[]
  env?: EnvVar[]
  ports?: ContainerPort[]
  resources?: { requests?: Record<string, string>; limits?: Record<string, string> }
  readinessProbe?: Probe
  startupProbe?: Probe
  securityContext?: Record<string, unknown>
}

export interface PodSpec {
  containers: Container[]
  automountServiceAccountToken?: boolean
  enableServiceLinks?: boolean
  securityContext?: Record<string, unknown>
  terminationGracePeriodSeconds?: number
  runtimeClassName?: string
  priorityClassName?: string
  nodeSelector?: Record<string, string>
  tolerations?: { key: string; operator: string; value?: string; effect?: string }[]
  imagePullSecrets?: { name: string }[]
}

export interface DeploymentCondition {
  type: string
  status: string
  reason?: string
  message?: string
  lastTransitionTime?: string
}

export interface Deployment extends KubernetesObject {
  spec: {
    replicas?: number
    selector: { matchLabels: Record<string, string> }
    strategy?: { type: string; rollingUpdate?: unknown }
    revisionHistoryLimit?: number
    progressDeadlineSeconds?: number
    template: { metadata?: ObjectMeta; spec: PodSpec }
  }
  status?: {
    observedGeneration?: number
    replicas?: number
    updatedReplicas?: number
    readyReplicas?: number
    availableReplicas?: number
    conditions?: DeploymentCondition[]
  }
}

export interface Service extends KubernetesObject {
  spec: {
    type?: string
    selector?: Record<string, string>
    ports: {
      name?: string
      port: number
      targetPort?: number | string
      protocol?: string
      appProtocol?: string
      /** The API server chooses it. */
      nodePort?: number
    }[]
    externalTrafficPolicy?: 'Cluster' | 'Local'
  }
  status?: { loadBalancer?: { ingress?: LoadBalancerAddress[] } }
}

/** An address that a controller writes: of a balancer into a Service, of itself into an Ingress. */
export interface LoadBalancerAddress {
  ip?: string
  hostname?: string
}

export interface Ingress extends KubernetesObject {
  spec: {
    ingressClassName?: string
    tls?: { hosts: string[]; secretName?: string }[]
    rules: {
      host: string
      http: {
        paths: {
          path: string
          pathType: string
          backend: { service: { name: string; port: { number: number } } }
        }[]
      }
    }[]
  }
  status?: { loadBalancer?: { ingress?: LoadBalancerAddress[] } }
}

export interface Secret extends KubernetesObject {
  type?: string
  immutable?: boolean
  /** Base64 of each value. */
  data?: Record<string, string>
}

export interface Namespace extends KubernetesObject {
  status?: {
    phase?: string
    conditions?: { type: string; status: string; reason?: string; message?: string }[]
  }
}

export interface LimitRange extends KubernetesObject {
  spec: {
    limits: { type: string; default?: Record<string, string>; defaultRequest?: Record<string, string> }[]
  }
}

export interface ResourceQuota extends KubernetesObject {
  spec: { hard: Record<string, string> }
}

export interface NetworkPolicyPeer {
  podSelector?: LabelSelector
  namespaceSelector?: LabelSelector
  ipBlock?: { cidr: string; except?: string[] }
}

export interface LabelSelector {
  matchLabels?: Record<string, string>
  matchExpressions?: { key: string; operator: string; values?: string[] }[]
}

export interface NetworkPolicyPort {
  protocol?: string
  port?: number | string
  endPort?: number
}

export interface NetworkPolicy extends KubernetesObject {
  spec: {
    podSelector: LabelSelector
    policyTypes: ('Ingress' | 'Egress')[]
    ingress?: { from?: NetworkPolicyPeer[]; ports?: NetworkPolicyPort[] }[]
    egress?: { to?: NetworkPolicyPeer[]; ports?: NetworkPolicyPort[] }[]
  }
}

export interface ContainerState {
  waiting?: { reason?: string; message?: string }
  running?: { startedAt?: string }
  terminated?: { reason?: string; exitCode: number; startedAt?: string; finishedAt?: string }
}

export interface ContainerStatus {
  name: string
  ready: boolean
  restartCount: number
  state?: ContainerState
  lastState?: ContainerState
}

export interface Pod extends KubernetesObject {
  spec?: { nodeName?: string; containers?: Container[] }
  status?: {
    phase?: string
    /** Address of the node. */
    hostIP?: string
    reason?: string
    message?: string
    conditions?: {
      type: string
      status: string
      reason?: string
      message?: string
      lastTransitionTime?: string
    }[]
    containerStatuses?: ContainerStatus[]
  }
}

export interface ConfigMap extends KubernetesObject {
  data?: Record<string, string>
  binaryData?: Record<string, string>
}

export interface GatewayListener {
  name: string
  protocol: string
  hostname?: string
}

export interface Gateway extends KubernetesObject {
  spec: { listeners?: GatewayListener[] }
}

/** What a route names as its parent. */
export interface RouteParent {
  group?: string
  kind?: string
  namespace?: string
  name: string
  sectionName?: string
}

/** HTTPRoute and TLSRoute, which have the same fields of those that are used. */
export interface GatewayRoute extends KubernetesObject {
  spec: {
    parentRefs: RouteParent[]
    hostnames: string[]
    rules: { backendRefs: { group: string; kind: string; name: string; port: number; weight: number }[] }[]
  }
  status?: { parents?: { parentRef: RouteParent; conditions?: Condition[] }[] }
}
