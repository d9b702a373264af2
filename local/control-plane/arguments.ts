import type { paths } from './credentials.ts'

export interface Ports {
  apiServer: number
  etcd: number
  etcdPeer: number
}

type Files = ReturnType<typeof paths>

/** Some days of tests fill etcd's default of 2 GiB. */
const etcdQuota = 4 * 1024 ** 3
/** With the clients' default of 20 to 50 calls a second a thousand instances wait for a minute. */
const clientRate = ['--kube-api-qps=1000', '--kube-api-burst=2000']
const podRange = '10.64.0.0/10'
const serviceRange = '10.96.0.0/12'

export function etcdArguments(files: Files, ports: Ports, unsafeNoFsync: boolean): string[] {
  const client = `http://127.0.0.1:${ports.etcd}`
  const peer = `http://127.0.0.1:${ports.etcdPeer}`
  return [
    `--data-dir=${files.etcdData}`,
    `--listen-client-urls=${client}`,
    `--advertise-client-urls=${client}`,
    `--listen-peer-urls=${peer}`,
    `--initial-advertise-peer-urls=${peer}`,
    `--initial-cluster=default=${peer}`,
    `--quota-backend-bytes=${etcdQuota}`,
    '--log-level=warn',
    ...(unsafeNoFsync ? ['--unsafe-no-fsync'] : []),
  ]
}

export interface ApiServerExtras {
  full: boolean
  auditLog: string | undefined
}

export function apiServerArguments(files: Files, ports: Ports, extras: ApiServerExtras): string[] {
  return [
    `--etcd-servers=http://127.0.0.1:${ports.etcd}`,
    '--bind-address=127.0.0.1',
    `--secure-port=${ports.apiServer}`,
    `--cert-dir=${files.certificates}`,
    // A loopback address is no valid endpoint, so the reconciler would log an error every ten seconds.
    '--endpoint-reconciler-type=none',
    `--token-auth-file=${files.tokens}`,
    `--authentication-config=${files.authentication}`,
    '--authorization-mode=RBAC',
    '--allow-privileged=true',
    '--service-account-issuer=https://kubernetes.default.svc',
    `--service-account-key-file=${files.serviceAccountPublicKey}`,
    `--service-account-signing-key-file=${files.serviceAccountKey}`,
    `--service-cluster-ip-range=${serviceRange}`,
    '--profiling=false',
    // This plugin waits for accounts that only a controller-manager makes.
    ...(extras.full ? [] : ['--disable-admission-plugins=ServiceAccount']),
    ...(extras.auditLog === undefined
      ? []
      : [
          `--audit-policy-file=${files.auditPolicy}`,
          `--audit-log-path=${extras.auditLog}`,
          '--audit-log-mode=batch',
          '--audit-log-maxsize=2000',
        ]),
  ]
}

export function controllerManagerArguments(files: Files, kubeconfig: string): string[] {
  return [
    `--kubeconfig=${kubeconfig}`,
    '--leader-elect=false',
    // Nothing reads its metrics, so it needs no port.
    '--secure-port=0',
    `--service-account-private-key-file=${files.serviceAccountKey}`,
    `--root-ca-file=${files.certificate}`,
    '--concurrent-deployment-syncs=10',
    '--concurrent-replicaset-syncs=10',
    ...clientRate,
  ]
}

export function schedulerArguments(kubeconfig: string): string[] {
  return [`--kubeconfig=${kubeconfig}`, '--leader-elect=false', '--secure-port=0', ...clientRate]
}

/** The address of each simulated node, of a range for documentation (RFC 5737): nothing listens there. */
const nodeAddress = '192.0.2.10'

export function kwokArguments(kubeconfig: string, stages: readonly string[]): string[] {
  return [
    `--kubeconfig=${kubeconfig}`,
    '--manage-all-nodes=true',
    '--node-lease-duration-seconds=40',
    `--cidr=${podRange}`,
    `--node-ip=${nodeAddress}`,
    // The default level logs a line for every step of every pod.
    '--v=WARN',
    ...stages.map(file => `--config=${file}`),
  ]
}

/** Records user, verb and object of each call at its end, without bodies. */
export const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules: [{ level: Metadata }]
`
