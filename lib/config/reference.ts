/** Every variable this operator reads, for people: what README and `doctor` show. */
export interface ConfigurationVariable {
  name: string
  /** As one would write it; undefined: unset. */
  default: string | undefined
  meaning: string
}

const row = (name: string, value: string | undefined, meaning: string): ConfigurationVariable => ({
  name,
  default: value,
  meaning,
})

export const configurationReference: readonly ConfigurationVariable[] = [
  row(
    'OPERATOR_NAMESPACE',
    'default',
    'Watched namespaces: one, several with commas between, or `*` for all.',
  ),
  row('OPERATOR_INTERVAL', '15', 'Seconds between sweeps, 1 to 3600.'),
  row('OPERATOR_RESYNC_MINUTES', '10', 'Minutes between verifications of all children, 1 to 1440.'),
  row(
    'OPERATOR_PLACEMENT',
    'Shared',
    'Where workloads run whose template does not say: Shared, Event or Instance.',
  ),
  row('OPERATOR_NAMESPACE_PREFIX', 'ctf-', 'How the names of namespaces begin that the operator makes.'),
  row(
    'OPERATOR_DEFAULT_TTL_MINUTES',
    undefined,
    'Life of an instance whose template does not say, 1 to 43200; unset: for ever.',
  ),
  row('OPERATOR_IDLE_MILLICORES', '10', 'CPU use above which an instance counts as in use.'),
  row('OPERATOR_DOMAIN', undefined, 'Domain under which instances are exposed.'),
  row(
    'OPERATOR_HOST_TEMPLATE',
    '{name}-{hash}.{domain}',
    'Host of an exposed instance, of {name} {hash} {domain} {team} {event} {template}.',
  ),
  row('OPERATOR_INGRESS_CLASS', undefined, 'IngressClass of the Ingresses that expose instances.'),
  row('OPERATOR_GATEWAY', undefined, 'Gateway of the routes that expose instances, as namespace/name.'),
  row(
    'OPERATOR_TLS_SECRET',
    undefined,
    'Secret with the certificate of the domain, as name or namespace/name.',
  ),
  row(
    'OPERATOR_INGRESS_NAMESPACES',
    undefined,
    'Namespaces whose pods may reach instances; unset: every pod that is no instance.',
  ),
  row(
    'OPERATOR_CLUSTER_CIDRS',
    undefined,
    'Ranges of the cluster (nodes, pods, Services) that no instance may reach, with commas between.',
  ),
  row(
    'OPERATOR_DNS',
    'kube-system/k8s-app=kube-dns',
    'Pods that answer DNS: namespace/label=value[,label=value][:port of the pod].',
  ),
  row('OPERATOR_LOG_LEVEL', 'info', 'debug, info, warn or error.'),
  row('FLAG_SECRET', undefined, 'Secret that flags per instance are made from, at least 32 characters.'),
  row('FLAG_HMAC_PEPPER', undefined, 'Key of the flag hashes in the database; the platform has the same.'),
  row(
    'KUBECONFIG',
    undefined,
    'Path of a kubeconfig; unset: EKS_CLUSTER_*, or the pod the operator runs in.',
  ),
  row('EKS_CLUSTER_NAME', undefined, 'Name of the EKS cluster that a function works on.'),
  row('EKS_CLUSTER_ENDPOINT', undefined, 'Its API endpoint, an https URL.'),
  row('EKS_CLUSTER_CA', undefined, "Its certificate authority's certificate, base64 of PEM."),
  row('DATABASE_URL', undefined, 'Postgres, as postgres://user:password@host:5432/database.'),
  row('CHANGES_QUEUE_URL', undefined, 'SQS FIFO queue of instance keys; ends in .fifo.'),
  row('TIMERS_QUEUE_URL', undefined, 'SQS standard queue of keys to look at again.'),
  row('DEAD_LETTERS_QUEUE_URL', undefined, 'SQS FIFO queue of messages nobody can act on; ends in .fifo.'),
  row('EVENT_BUS_NAME', undefined, 'EventBridge bus, by name or ARN, that instance events go to.'),
  row('AWS_REGION', undefined, "Region, as for every AWS SDK. The SDK's other variables count too."),
  row('AWS_ENDPOINT_URL_SQS', undefined, 'Another SQS than that of AWS.'),
  row('AWS_ENDPOINT_URL_EVENTBRIDGE', undefined, 'Another EventBridge than that of AWS.'),
]
