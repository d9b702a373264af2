// Owned by the configuration engineer; the shape the others rely on is below.

export interface OperatorConfig {
  /** Watched namespaces; `'*'` means all. */
  namespaces: readonly string[] | '*'
  /** Seconds between sweeps. */
  intervalSeconds: number
  resyncMinutes: number
  placement: 'Shared' | 'Event' | 'Instance'
  namespacePrefix: string
  defaultTtlMinutes: number | undefined
  idleMillicores: number
  domain: string | undefined
  hostTemplate: string
  ingressClass: string | undefined
  gateway: string | undefined
  tlsSecret: string | undefined
  /** Namespaces whose pods may reach challenges; undefined: any pod that is not ours. */
  ingressNamespaces: readonly string[] | undefined
  clusterCidrs: readonly string[]
  /** Where DNS is answered: pods with these labels in this namespace. */
  dns: { namespace: string; labels: Record<string, string> }
  logLevel: 'debug' | 'info' | 'warn' | 'error'
  flagSecret: string | undefined
  flagHmacPepper: string | undefined
}
