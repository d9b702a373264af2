import { parseCidr } from './cidr.ts'
import { dnsDefault, parseDns } from './dns.ts'
import { configurationReference } from './reference.ts'
import type { Section, Variables } from './section.ts'
import { unknownVariables } from './unknown.ts'

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
  /** `namespace/name`. */
  gateway: string | undefined
  /** `name` or `namespace/name`. */
  tlsSecret: string | undefined
  /** Namespaces whose pods may reach challenges; undefined: any pod that is not ours. */
  ingressNamespaces: readonly string[] | undefined
  clusterCidrs: readonly string[]
  /** Where DNS is answered: pods with these labels in this namespace, on this port of the pod. */
  dns: { namespace: string; labels: Record<string, string>; port: number }
  logLevel: 'debug' | 'info' | 'warn' | 'error'
  flagSecret: string | undefined
  flagHmacPepper: string | undefined
}

const label = '[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?'
const namespaceName = new RegExp(`^${label}$`)
const domainName = new RegExp(`^(?=.{1,253}$)${label}(\\.${label})*$`)
const namespacedName = new RegExp(`^${label}/${label}(\\.${label})*$`)
const objectName = new RegExp(`^(${label}/)?${label}(\\.${label})*$`)

/** Leaves room for `event-` and the digits of an id in a namespace's 63 characters. */
const namespacePrefix = /^[a-z0-9][-a-z0-9]{0,29}$/

/** 128 bits, as hex digits would have them: less can be guessed from one flag. */
const flagSecretLength = 32

/** Thirty days, as the CRD bounds `ttlMinutes`. */
const ttlLimit = 43_200

export const operatorSection: Section<OperatorConfig> = variables => {
  for (const complaint of unknownVariables(
    variables.names,
    configurationReference.map(each => each.name),
  ))
    variables.complain(complaint)
  const flagSecret = variables.secret('FLAG_SECRET')
  if (flagSecret !== undefined && flagSecret.length < flagSecretLength)
    variables.complain(
      `FLAG_SECRET is too short to make flags from; write at least ${flagSecretLength} random characters (openssl rand -hex 32)`,
    )
  return {
    namespaces: namespaces(variables),
    intervalSeconds: variables.integer('OPERATOR_INTERVAL', 1, 3600, 'seconds') ?? 15,
    resyncMinutes: variables.integer('OPERATOR_RESYNC_MINUTES', 1, 1440, 'minutes') ?? 10,
    placement: variables.oneOf('OPERATOR_PLACEMENT', ['Shared', 'Event', 'Instance']) ?? 'Shared',
    namespacePrefix:
      variables.matching(
        'OPERATOR_NAMESPACE_PREFIX',
        namespacePrefix,
        'lower-case letters, digits and dashes, at most 30, a letter or digit first',
      ) ?? 'ctf-',
    defaultTtlMinutes: variables.integer('OPERATOR_DEFAULT_TTL_MINUTES', 1, ttlLimit, 'minutes'),
    idleMillicores: variables.integer('OPERATOR_IDLE_MILLICORES', 0, 100_000, 'millicores') ?? 10,
    domain: variables.matching('OPERATOR_DOMAIN', domainName, 'a domain such as ctf.example.com'),
    hostTemplate: hostTemplate(variables),
    ingressClass: variables.matching('OPERATOR_INGRESS_CLASS', domainName, 'the name of an IngressClass'),
    gateway: variables.matching('OPERATOR_GATEWAY', namespacedName, 'a Gateway as namespace/name'),
    tlsSecret: variables.matching('OPERATOR_TLS_SECRET', objectName, 'a Secret as name or namespace/name'),
    ingressNamespaces: variables.list(
      'OPERATOR_INGRESS_NAMESPACES',
      namespaceName,
      'the name of a namespace',
    ),
    clusterCidrs: clusterCidrs(variables),
    dns: dns(variables),
    logLevel: variables.oneOf('OPERATOR_LOG_LEVEL', ['debug', 'info', 'warn', 'error']) ?? 'info',
    flagSecret,
    flagHmacPepper: variables.secret('FLAG_HMAC_PEPPER'),
  }
}

function namespaces(variables: Variables): readonly string[] | '*' {
  if (variables.text('OPERATOR_NAMESPACE')?.trim() === '*') return '*'
  const expected = 'the name of a namespace, or * alone for all'
  return variables.list('OPERATOR_NAMESPACE', namespaceName, expected) ?? ['default']
}

const placeholders = ['name', 'hash', 'domain', 'team', 'event', 'template']

function hostTemplate(variables: Variables): string {
  const value = variables.text('OPERATOR_HOST_TEMPLATE') ?? '{name}-{hash}.{domain}'
  const sample = value.replace(/\{([^{}]*)\}/g, (whole, name) => (placeholders.includes(name) ? 'a' : whole))
  if (!domainName.test(sample))
    variables.complain(
      `OPERATOR_HOST_TEMPLATE is ${JSON.stringify(value.slice(0, 80))}; write a host name in lower case with ${placeholders.map(each => `{${each}}`).join(' ')} in it`,
    )
  if (!/\{(name|hash)\}/.test(value))
    variables.complain(
      'OPERATOR_HOST_TEMPLATE gives every instance the same host; put {name} or {hash} in it',
    )
  return value
}

function clusterCidrs(variables: Variables): string[] {
  const ranges = variables.list('OPERATOR_CLUSTER_CIDRS', /./, 'a CIDR') ?? []
  for (const range of ranges) {
    const parsed = parseCidr(range)
    if (typeof parsed === 'string') variables.complain(`OPERATOR_CLUSTER_CIDRS: ${parsed}`)
    else if (parsed.prefix === 0)
      variables.complain(`OPERATOR_CLUSTER_CIDRS: ${range} is every address; write the cluster's own ranges`)
  }
  return ranges
}

function dns(variables: Variables): OperatorConfig['dns'] {
  const value = variables.text('OPERATOR_DNS')
  const parsed = value === undefined ? dnsDefault : parseDns(value)
  if (typeof parsed !== 'string') return parsed
  variables.complain(parsed)
  return dnsDefault
}
