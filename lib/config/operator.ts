import { firstNamespace, type WatchedNamespaces } from '../crd/namespaces.ts'
import type { TracingConfig } from '../telemetry/span.ts'
import { parseCidr } from './cidr.ts'
import { dnsDefault, parseDns } from './dns.ts'
import { type ExposureConfig, exposureConfig, ingressCidrs } from './exposure.ts'
import { type Limits, limits } from './limits.ts'
import { type PlacementSettings, placement } from './placement.ts'
import { configurationReference } from './reference.ts'
import { type Scheduling, scheduling } from './scheduling.ts'
import type { SecretReference } from './secret-reference.ts'
import { type Environment, readConfig, type Secret, type Section, type Variables } from './section.ts'
import { tracing } from './tracing.ts'
import { unknownVariables } from './unknown.ts'

export interface OperatorConfig {
  namespaces: WatchedNamespaces
  /** The namespace of what exists once for the operator: the forwarder's Lease and the organiser's clock. */
  leaseNamespace: string
  /** Seconds between sweeps. */
  intervalSeconds: number
  /** Minutes between verifications of all children. */
  resyncMinutes: number
  placement: PlacementSettings
  defaultTtlMinutes: number | undefined
  /** Days for which published events and closed rows are kept. */
  historyDays: number
  limits: Limits
  /** Thousandths of a core. More than that counts as activity of players; undefined: processor time says nothing. */
  idleMillicores: number | undefined
  /** Minutes before its end at which the platform is warned of an instance; 0: it is not warned. */
  warnMinutes: number
  /** Whose tables the rows of instances are mirrored into; none: nobody's. */
  platform: 'django' | 'none'
  /** Namespaces whose pods may reach challenges. If undefined, every pod that is no challenge may. */
  ingressNamespaces: readonly string[] | undefined
  clusterCidrs: readonly string[]
  /** Registries, or folders in them, that images may come from. None: all. If undefined, the cluster's guardrails decide. */
  allowedRegistries: readonly string[] | undefined
  /** The pods that answer DNS: those with these labels in this namespace, on this port of the pod. */
  dns: { namespace: string; labels: Record<string, string>; port: number }
  /** Addresses from which players come to exposed ports: balancers, nodes, controllers on the network of a host. */
  ingressCidrs: readonly string[]
  scheduling: Scheduling
  installation: Installation
  exposure: ExposureConfig
  logLevel: 'debug' | 'info' | 'warn' | 'error'
  /** Where the spans of the functions are sent to. */
  tracing: TracingConfig
  /** The port of `challenge-operator run` that tells whether the process is healthy; 0: any free one. */
  healthPort: number
  flagSecret: string | undefined
  flagHmacPepper: string | undefined
  /** Where AWS keeps the two keys above. They are undefined until they have been read. */
  keySources: KeySources
  /** Why the keys are not known at the moment; undefined: they are. Whatever is made with them stays as it is. */
  keysProblem: string | undefined
  /** The Secrets that templates may take a flag from. See `referencedFlag`. */
  flagSecrets: 'opaque' | 'labelled'
}

/** Which installation of the operator this is. */
export interface Installation {
  /** The one name of the installation. Of several on one cluster only one writes; undefined: it has no name. */
  stack: string | undefined
  /** RFC 3339; undefined: not known. What was deployed later takes the lead. */
  deployedAt: string | undefined
}

const stackName = /^[\w.:/-]{1,200}$/

/** RFC 3339, in UTC. */
const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$/

export interface KeySources {
  flagSecret: SecretReference | undefined
  flagHmacPepper: SecretReference | undefined
}

const namespaceName = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/

/** A host as the container runtime recognises it, with a dot, a port or `localhost`, and folders in it. */
const registry = /^([a-z0-9-]+(\.[a-z0-9-]+)+(:\d+)?|[a-z0-9-]+:\d+|localhost)(\/[a-z0-9][-._a-z0-9]*)*\/?$/

/** Characters: 128 bits written as hex digits. A shorter secret could be guessed from one flag. */
const flagSecretLength = 32

/** Thirty days in minutes, the limit of `ttlMinutes` in the CRD. */
const ttlLimit = 43_200

export const operatorSection: Section<OperatorConfig> = variables => {
  const known = configurationReference.map(({ name }) => name)
  for (const problem of unknownVariables(variables.names, known)) variables.addProblem(problem)
  const flagSecret = key(variables, 'FLAG_SECRET')
  const pepper = key(variables, 'FLAG_HMAC_PEPPER')
  const problem = flagSecretProblem(flagSecret.value)
  if (problem) variables.addProblem(problem)
  const watched = namespaces(variables)
  return {
    namespaces: watched,
    leaseNamespace: leaseNamespace(variables) ?? firstNamespace(watched),
    intervalSeconds: variables.integer('OPERATOR_INTERVAL', 1, 3600, 'seconds') ?? 15,
    resyncMinutes: variables.integer('OPERATOR_RESYNC_MINUTES', 1, 1440, 'minutes') ?? 10,
    placement: placement(variables),
    defaultTtlMinutes: variables.integer('OPERATOR_DEFAULT_TTL_MINUTES', 1, ttlLimit, 'minutes'),
    historyDays: variables.integer('OPERATOR_HISTORY_DAYS', 1, 3650, 'days') ?? 30,
    limits: limits(variables),
    idleMillicores: variables.integer('OPERATOR_IDLE_MILLICORES', 1, 100_000, 'thousandths of a core'),
    warnMinutes: variables.integer('OPERATOR_WARN_MINUTES', 0, 1440, 'minutes') ?? 10,
    platform: variables.oneOf('OPERATOR_PLATFORM', ['django', 'none']) ?? 'django',
    ingressNamespaces: variables.set('OPERATOR_INGRESS_NAMESPACES', namespaceName, 'the name of a namespace'),
    clusterCidrs: clusterCidrs(variables),
    allowedRegistries: allowedRegistries(variables),
    dns: dns(variables),
    ingressCidrs: ingressCidrs(variables),
    scheduling: scheduling(variables),
    installation: {
      stack: variables.matching('OPERATOR_STACK', stackName, 'at most 200 letters, digits and . _ : / -'),
      deployedAt: variables.matching('OPERATOR_DEPLOYED_AT', time, 'a time such as 2026-11-30T12:00:00Z'),
    },
    exposure: exposureConfig(variables),
    logLevel: variables.oneOf('OPERATOR_LOG_LEVEL', ['debug', 'info', 'warn', 'error']) ?? 'info',
    tracing: tracing(variables),
    healthPort: variables.integer('OPERATOR_HEALTH_PORT', 0, 65_535) ?? 8081,
    flagSecret: flagSecret.value,
    flagHmacPepper: pepper.value,
    keySources: { flagSecret: flagSecret.reference, flagHmacPepper: pepper.reference },
    keysProblem: undefined,
    flagSecrets: variables.oneOf('OPERATOR_FLAG_SECRETS', ['opaque', 'labelled']) ?? 'opaque',
  }
}

/** @returns why flags cannot be made from a FLAG_SECRET */
export function flagSecretProblem(flagSecret: string | undefined): string | undefined {
  if (flagSecret === undefined || flagSecret.length >= flagSecretLength) return undefined
  return `FLAG_SECRET is too short to make flags from; write at least ${flagSecretLength} random characters (openssl rand -hex 32)`
}

function key(variables: Variables, name: 'FLAG_SECRET' | 'FLAG_HMAC_PEPPER'): Secret {
  const secret = variables.secret(name)
  if (secret.value !== undefined && secret.reference !== undefined)
    variables.addProblem(`${name} and ${name}_SECRET_ARN are both set; unset one of them`)
  return secret
}

/** @throws OperatorMisconfigured */
export function parseOperatorConfig(environment: Environment): OperatorConfig {
  return readConfig(environment, { operator: operatorSection }).operator
}

function namespaces(variables: Variables): WatchedNamespaces {
  if (variables.text('OPERATOR_NAMESPACE')?.trim() === '*') return '*'
  const expected = 'the name of a namespace, or * alone for all'
  return variables.list('OPERATOR_NAMESPACE', namespaceName, expected) ?? ['default']
}

function leaseNamespace(variables: Variables): string | undefined {
  const name = 'OPERATOR_LEASE_NAMESPACE'
  const value = variables.text(name)
  if (value === undefined || namespaceName.test(value)) return value
  variables.addProblem(`${name} is not the name of a namespace: ${JSON.stringify(value)}`)
  return undefined
}

function clusterCidrs(variables: Variables): string[] {
  const ranges = variables.set('OPERATOR_CLUSTER_CIDRS', /./, 'a CIDR') ?? []
  for (const range of ranges) {
    const parsed = parseCidr(range)
    if (typeof parsed === 'string') variables.addProblem(`OPERATOR_CLUSTER_CIDRS: ${parsed}`)
    else if (parsed.prefix === 0)
      variables.addProblem(
        `OPERATOR_CLUSTER_CIDRS: ${range} is every address; write the cluster's own ranges`,
      )
  }
  return ranges
}

/** `*` alone allows all, which an unset variable does not: it leaves the cluster's policy as it is. */
function allowedRegistries(variables: Variables): string[] | undefined {
  const name = 'OPERATOR_ALLOWED_REGISTRIES'
  if (variables.text(name)?.trim() === '*') return []
  return variables.set(
    name,
    registry,
    'a registry or a folder in it, such as registry.example.com/ctf or docker.io/library, without https:// (or * alone for all)',
  )
}

function dns(variables: Variables): OperatorConfig['dns'] {
  const value = variables.text('OPERATOR_DNS')
  const parsed = value === undefined ? dnsDefault : parseDns(value)
  if (typeof parsed !== 'string') return parsed
  variables.addProblem(parsed)
  return dnsDefault
}
