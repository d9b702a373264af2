/** The names of our API group: everything that a user can write or select on. */

export const group = 'infra.ctf.example.com'
export const apiVersion = `${group}/v1alpha1`

export const finalizer = `${group}/cleanup`
export const fieldManager = 'challenge-operator'

export const labels = {
  app: 'app',
  managedBy: 'app.kubernetes.io/managed-by',
  name: 'app.kubernetes.io/name',
  instance: `${group}/instance`,
  instanceNamespace: `${group}/instance-namespace`,
  instanceUid: `${group}/instance-uid`,
  team: `${group}/team`,
  event: `${group}/event`,
  template: `${group}/template`,
  /** On a Secret that holds flags for templates, with the value `true`. */
  forChallenges: `${group}/for-challenges`,
  /** On a namespace that the operator made: the placement that it serves. */
  placement: `${group}/placement`,
  /** On the Secret that keeps a template as instances took it up: the template's name. */
  templateRevision: `${group}/template-revision`,
  /** On the copy of a certificate for Ingresses, with the value `true`. */
  certificate: `${group}/certificate`,
  /** On a shared policy, and on the pods that it selects: the policy's name. */
  policy: `${group}/policy`,
} as const

/** Type of the Secrets that keep templates as instances took them up. */
export const templateRevisionType = `${group}/template-revision`

/** Selects every object this operator made. */
export const managedBySelector = `${labels.managedBy}=${fieldManager}`

/** Selects what belongs to one instance, in whatever namespace. */
export function instanceSelector(uid: string): string {
  return `${managedBySelector},${labels.instanceUid}=${uid}`
}

/** Whether the operator made an object, by its label. */
export function isManaged({ labels: own }: { labels?: Record<string, string> }): boolean {
  return own?.[labels.managedBy] === fieldManager
}

export const annotations = {
  lastActivity: `${group}/last-activity`,
  paused: `${group}/paused`,
  forceSync: `${group}/force-sync`,
  /** On the revision of a template, a shared policy and the namespace of an event: since when no instance uses it, RFC 3339. */
  unusedSince: `${group}/unused-since`,
  /** On a namespace of ours that outlived its use: what in it is not ours. */
  kept: `${group}/kept`,
  /** On the namespace of an event: the quota that it has, as `quotaText` has it. Without a quota it is absent. */
  eventQuota: `${group}/event-quota`,
  /** On a copy of a Secret: the Secret that it was copied from, as `namespace/name`, and the version of that one. */
  copiedFrom: `${group}/copied-from`,
  copiedVersion: `${group}/copied-version`,
  /** On a Deployment whose pods the cluster refuses: its controller copies a new value to the ReplicaSet, and tries again. */
  triedAgain: `${group}/tried-again`,
  /** On a shared policy: the rules of templates that it is built from, as JSON. */
  policyRules: `${group}/policy-rules`,
  /** On the ConfigMap with the state of the organiser's clock: uid and version of the organiser's ConfigMap that it follows. */
  clockSource: `${group}/clock-source`,
  /** On the same: why the organiser's ConfigMap is not followed. */
  clockProblem: `${group}/clock-problem`,
  /** On the forwarder's Leases: the installation that the holder belongs to, when that was deployed, and its version. */
  stack: `${group}/stack`,
  deployedAt: `${group}/deployed-at`,
  version: `${group}/version`,
  /** On the Lease of a seat, with the value `true`: the holder has listed everything, and so stands by. */
  standsBy: `${group}/stands-by`,
  /** On the Lease that elects: the identity of a forwarder that has listed everything and would lead. */
  standby: `${group}/standby`,
} as const

/** The annotation of a pod by which the cluster autoscaler knows whether it may evict the pod. */
export const safeToEvict = 'cluster-autoscaler.kubernetes.io/safe-to-evict'

/** Name of the standing default-deny policy of a workload namespace. */
export const defaultDenyName = 'challenge-operator-default-deny'
