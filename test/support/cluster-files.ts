/** A value for each `OPERATOR_*` and `OTEL_*` variable of the functions, none of them the default. All of them can be set at once. */
export const sampleVariables: Readonly<Record<string, string>> = {
  OPERATOR_NAMESPACE: 'challenges',
  OPERATOR_LEASE_NAMESPACE: 'operators',
  OPERATOR_INTERVAL: '20',
  OPERATOR_RESYNC_MINUTES: '12',
  OPERATOR_PLACEMENT: 'Event',
  OPERATOR_PLACEMENTS: 'Event,Instance',
  OPERATOR_NAMESPACE_PREFIX: 'play-',
  OPERATOR_EVENT_QUOTA: 'cpu=40,memory=80Gi',
  OPERATOR_EVENT_GRACE_MINUTES: '61',
  OPERATOR_DEFAULT_TTL_MINUTES: '120',
  OPERATOR_HISTORY_DAYS: '31',
  OPERATOR_MAX_PER_TEAM: '3',
  OPERATOR_MAX_PER_EVENT: '300',
  OPERATOR_MAX_INSTANCES: '500',
  OPERATOR_IDLE_MILLICORES: '5',
  OPERATOR_WARN_MINUTES: '11',
  OPERATOR_INGRESS_NAMESPACES: 'traefik',
  OPERATOR_INGRESS_CIDRS: '10.1.0.0/16',
  OPERATOR_CLUSTER_CIDRS: '10.0.0.0/16',
  OPERATOR_DNS: 'kube-system/k8s-app=coredns',
  OPERATOR_DOMAIN: 'ctf.example.com',
  OPERATOR_HOST_TEMPLATE: '{hash}-{team}.{domain}',
  OPERATOR_INGRESS_CLASS: 'traefik',
  OPERATOR_INGRESS_STATUS: 'true',
  OPERATOR_TLS_SECRET: 'traefik/wildcard',
  OPERATOR_GATEWAY: 'traefik/web',
  OPERATOR_PUBLIC_PORTS: 'https=8443',
  OPERATOR_PRIORITY_CLASS: 'challenges',
  OPERATOR_NODE_SELECTOR: 'pool=challenges',
  OPERATOR_TOLERATIONS: 'ctf=challenges:NoSchedule',
  OPERATOR_FLAG_SECRETS: 'labelled',
  OPERATOR_LOG_LEVEL: 'debug',
  OPERATOR_PLATFORM: 'none',
  OTEL_EXPORTER_OTLP_ENDPOINT: 'https://otlp.example.com',
  OTEL_EXPORTER_OTLP_HEADERS: 'tenant=ctf',
}

/** The file of a cluster with everything that a deployment needs. `more` is YAML that follows. */
export function sampleClusterFile({
  region = 'eu-central-1',
  name = 'ctf',
  endpoint = `https://0123456789ABCDEF.gr7.${region}.eks.amazonaws.com`,
  ca = Buffer.from('-----BEGIN CERTIFICATE-----').toString('base64'),
  more = '',
}: {
  region?: string
  name?: string
  endpoint?: string
  ca?: string
  more?: string
} = {}): string {
  return `region: ${region}
cluster:
  name: ${name}
  endpoint: ${endpoint}
  ca: ${ca}
${more}`
}
