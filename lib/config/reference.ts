import { defaultHostTemplate } from './host-template.ts'

/** The functions that `serverless.yml` deploys. */
export const deployedFunctions = ['watch-forwarder', 'reconcile', 'timer', 'sweep', 'publish'] as const
export type DeployedFunction = (typeof deployedFunctions)[number]

/** One variable that this release reads. The README lists each one. */
export interface ConfigurationVariable {
  name: string
  /** The default as a user would write it; undefined if the variable is unset by default. */
  default: string | undefined
  meaning: string
  /** The deployed functions that have it in their environment. A test compares `serverless.yml` with it. */
  functions: readonly DeployedFunction[]
}

/** Every function checks the whole section of the operator at its start, so that each of them has its variables. */
const row = (
  name: string,
  value: string | undefined,
  meaning: string,
  functions: readonly DeployedFunction[] = deployedFunctions,
): ConfigurationVariable => ({ name, default: value, meaning, functions })

/** Only the function that makes flags gets their keys, and the one that compares what they were made with. */
const flagFunctions: readonly DeployedFunction[] = ['reconcile', 'sweep']
/** Only functions that write to the database or read from it get its password. */
const databaseFunctions: readonly DeployedFunction[] = ['reconcile', 'sweep', 'publish']
/** Only commands act on the registries; Lambda sets the region; the others name parts of a machine. */
const notDeployed: readonly DeployedFunction[] = []

export const configurationReference: readonly ConfigurationVariable[] = [
  row(
    'OPERATOR_NAMESPACE',
    'default',
    'Watched namespaces: one, several with commas between, or `*` for all.',
  ),
  row(
    'OPERATOR_LEASE_NAMESPACE',
    undefined,
    "Namespace of the forwarder's Lease and of the organiser's clock; unset: the first watched one, or default for `*`.",
  ),
  row('OPERATOR_INTERVAL', '15', 'Seconds between sweeps, 1 to 3600.'),
  row('OPERATOR_RESYNC_MINUTES', '10', 'Minutes between verifications of all children, 1 to 1440.'),
  row(
    'OPERATOR_PLACEMENT',
    'Shared',
    'Placement of workloads whose template names none: Shared, Event or Instance.',
  ),
  row(
    'OPERATOR_PLACEMENTS',
    undefined,
    'Placements that templates may have, with commas between; unset: OPERATOR_PLACEMENT alone.',
  ),
  row('OPERATOR_NAMESPACE_PREFIX', 'ctf-', 'Begins the names of namespaces that the operator makes.'),
  row(
    'OPERATOR_EVENT_QUOTA',
    undefined,
    "Limits of an event's namespace: resource=quantity, such as cpu=40,memory=80Gi,pods=500; unset: none.",
  ),
  row(
    'OPERATOR_EVENT_GRACE_MINUTES',
    '60',
    'Minutes that the namespace of an event stays after its last instance, 10 to 10080.',
  ),
  row(
    'OPERATOR_DEFAULT_TTL_MINUTES',
    undefined,
    'Life of an instance whose template sets none, 1 to 43200; unset: without end.',
  ),
  row(
    'OPERATOR_HISTORY_DAYS',
    '30',
    'Days for which events that were published (all, where nothing is published), and rows of instances that are gone, stay in the database, 1 to 3650.',
  ),
  row(
    'OPERATOR_MAX_PER_TEAM',
    undefined,
    'Instances of a team in an event that may hold a workload at once; the others wait; unset: any number.',
  ),
  row('OPERATOR_MAX_PER_EVENT', undefined, 'The same for all instances of an event.'),
  row('OPERATOR_MAX_INSTANCES', undefined, 'The same for all instances of the cluster.'),
  row(
    'OPERATOR_IDLE_MILLICORES',
    undefined,
    'Processor time in thousandths of a core; more counts as activity of players, by metrics.k8s.io; unset: it does not count.',
  ),
  row(
    'OPERATOR_WARN_MINUTES',
    '10',
    'Minutes before its end at which `instance.expiring` is published for an instance, 0 to 1440; 0: it is not.',
  ),
  row(
    'OPERATOR_PLATFORM',
    'django',
    'Whose tables the rows of instances are written into, too: django, or none for a platform that takes events or asks for instances.',
  ),
  row(
    'OPERATOR_INGRESS_NAMESPACES',
    undefined,
    'Namespaces whose pods may reach instances; unset: every pod except those of instances.',
  ),
  row(
    'OPERATOR_INGRESS_CIDRS',
    undefined,
    'Address ranges that may reach exposed ports (balancers, nodes, controllers on the network of a node), with commas between.',
  ),
  row(
    'OPERATOR_CLUSTER_CIDRS',
    undefined,
    'Address ranges of the cluster (nodes, pods, Services) that no instance may reach, with commas between.',
  ),
  row(
    'OPERATOR_DNS',
    'kube-system/k8s-app=kube-dns',
    'Pods that answer DNS: namespace/label=value[,label=value][:port of the pod].',
  ),
  row('OPERATOR_DOMAIN', undefined, 'Domain of the hosts under which players reach exposed instances.'),
  row(
    'OPERATOR_HOST_TEMPLATE',
    defaultHostTemplate,
    'Host of an exposed instance, with {hash}, and of {name}, {domain}, {team}, {event}, {template} any.',
  ),
  row('OPERATOR_INGRESS_CLASS', undefined, 'IngressClass of the Ingresses of instances.'),
  row(
    'OPERATOR_INGRESS_STATUS',
    'false',
    'true: the controller writes an address into each Ingress, and only then players are sent there.',
  ),
  row(
    'OPERATOR_TLS_SECRET',
    undefined,
    'Certificate of Ingresses, a Secret of the type kubernetes.io/tls as namespace/name; unset: that of the controller.',
  ),
  row('OPERATOR_GATEWAY', undefined, 'Gateway of the routes of instances: namespace/name[/listener].'),
  row(
    'OPERATOR_PUBLIC_PORTS',
    undefined,
    'Ports that players type where they are not 80 and 443: http=port, https=port, tls=port, with commas between.',
  ),
  row(
    'OPERATOR_PRIORITY_CLASS',
    undefined,
    'PriorityClass of the pods of instances; the cluster has to have it.',
  ),
  row(
    'OPERATOR_NODE_SELECTOR',
    undefined,
    'Labels of the nodes that run instances: label=value[,label=value].',
  ),
  row(
    'OPERATOR_TOLERATIONS',
    undefined,
    'Taints of nodes that instances tolerate: key[=value][:effect], with commas between.',
  ),
  row(
    'OPERATOR_ALLOWED_REGISTRIES',
    undefined,
    "Registries of images, or folders in them, with commas between; `*`: all; unset: those of the cluster's guardrails stay.",
    notDeployed,
  ),
  row(
    'OPERATOR_FLAG_SECRETS',
    'opaque',
    'Secrets that a template may take its flag from: opaque (its type) or labelled (infra.ctf.example.com/for-challenges: "true", too).',
  ),
  row(
    'OPERATOR_STACK',
    undefined,
    'Name of this installation. Of several on one cluster only the owner writes; unset: it has none.',
  ),
  row(
    'OPERATOR_DEPLOYED_AT',
    undefined,
    'Time of the deployment, RFC 3339 in UTC. The forwarder that was deployed later leads; unset: the first one does.',
  ),
  row('OPERATOR_LOG_LEVEL', 'info', 'debug, info, warn or error.'),
  row(
    'OTEL_EXPORTER_OTLP_ENDPOINT',
    undefined,
    'URL of an OTLP/HTTP receiver of traces, without /v1/traces; unset: nothing is traced.',
  ),
  row(
    'OTEL_EXPORTER_OTLP_HEADERS',
    undefined,
    'Headers for that receiver, name=value with commas between several.',
  ),
  row(
    'OTEL_EXPORTER_OTLP_HEADERS_SECRET_ARN',
    undefined,
    'ARN of the secret or parameter of AWS that holds OTEL_EXPORTER_OTLP_HEADERS, in its place.',
  ),
  row(
    'OPERATOR_HEALTH_PORT',
    '8081',
    'Port of `/healthz` and `/readyz` of `challenge-operator run`, 0 to 65535; 0: a free one.',
    notDeployed,
  ),
  row(
    'FLAG_SECRET',
    undefined,
    'Secret from which flags per instance are derived, at least 32 characters.',
    flagFunctions,
  ),
  row(
    'FLAG_HMAC_PEPPER',
    undefined,
    'Key of the flag hashes in the database; the platform uses the same one.',
    flagFunctions,
  ),
  row(
    'FLAG_SECRET_SECRET_ARN',
    undefined,
    'ARN of the secret or parameter of AWS that holds FLAG_SECRET, in its place.',
    flagFunctions,
  ),
  row(
    'FLAG_HMAC_PEPPER_SECRET_ARN',
    undefined,
    'ARN of the secret or parameter of AWS that holds FLAG_HMAC_PEPPER, in its place.',
    flagFunctions,
  ),
  row(
    'KUBECONFIG',
    undefined,
    'Path of a kubeconfig; unset: EKS_CLUSTER_*, or the pod in which the operator runs.',
    notDeployed,
  ),
  row('EKS_CLUSTER_NAME', undefined, 'Name of the EKS cluster.'),
  row('EKS_CLUSTER_ENDPOINT', undefined, 'API endpoint of the EKS cluster, an https URL.'),
  row('EKS_CLUSTER_CA', undefined, "Certificate of the EKS cluster's certificate authority, base64 of PEM."),
  row(
    'DATABASE_URL',
    undefined,
    'Postgres, as postgres://user:password@host:5432/database; with ?sslmode=verify-full it is called by TLS.',
    databaseFunctions,
  ),
  row(
    'DATABASE_URL_SECRET_ARN',
    undefined,
    'ARN of the secret or parameter of AWS that holds DATABASE_URL, or the user and password for it, also as the JSON of RDS.',
    databaseFunctions,
  ),
  row(
    'DATABASE_IAM',
    'false',
    'true: the user of DATABASE_URL is authenticated by IAM, and the URL has no password.',
    databaseFunctions,
  ),
  row('CHANGES_QUEUE_URL', undefined, 'SQS FIFO queue of instance keys; ends in .fifo.'),
  row('TIMERS_QUEUE_URL', undefined, 'SQS standard queue of instance keys that are due later.'),
  row('SWEEPS_QUEUE_URL', undefined, 'SQS standard queue in which a sweep puts off the next one.', ['sweep']),
  row(
    'DEAD_LETTERS_QUEUE_URL',
    undefined,
    'SQS FIFO queue of messages that could not be handled; ends in .fifo.',
  ),
  row(
    'EVENT_BUS_NAME',
    undefined,
    'EventBridge bus that receives instance events, by name or ARN; unset (not on Lambda): events are only kept.',
    ['reconcile', 'publish', 'sweep'],
  ),
  row(
    'AWS_REGION',
    undefined,
    'AWS region. The other variables of the AWS SDK have their effect, too.',
    notDeployed,
  ),
  row('AWS_ENDPOINT_URL_SQS', undefined, 'URL of a queue server that replaces SQS.', notDeployed),
  row('AWS_ENDPOINT_URL_EVENTBRIDGE', undefined, 'URL of a server that replaces EventBridge.', notDeployed),
  row(
    'AWS_ENDPOINT_URL_SECRETS_MANAGER',
    undefined,
    'URL of a server that replaces Secrets Manager.',
    notDeployed,
  ),
  row('AWS_ENDPOINT_URL_SSM', undefined, 'URL of a server that replaces Systems Manager.', notDeployed),
]
