import type { OperatorConfig } from '../../config/operator.ts'
import type { ChallengeInstance } from '../../crd/challenge-instance.ts'
import type { ChallengeTemplateSpec } from '../../crd/challenge-template.ts'
import type { GatewayListener, KubernetesObject, Named, Stored } from '../../crd/objects.ts'
import { copiedSecretName, type Identity } from '../identity.ts'
import type { SecretName } from '../objects/copied-secret.ts'
import { type DeclaredPort, exposedPort } from '../ports.ts'
import type { Problem } from '../problem.ts'
import { exposedService } from './exposed-service.ts'
import { type Exposing, exposingType, isDirect } from './exposing-type.ts'
import { exposureHost } from './host.ts'
import { ingress } from './ingress.ts'
import { listenersEndTls } from './listeners.ts'
import { route } from './route.ts'

/** What a pass has found out for the exposure of an instance before it builds. */
export interface ExposureGround {
  /** Whether this instance has the host. `unknown`: the database did not answer. */
  claim: 'held' | 'taken' | 'unknown'
  /** Whether the cluster has the configured IngressClass. `unknown`: nothing was asked. */
  ingressClass: 'exists' | 'missing' | 'unknown'
  /** Whether the certificate of Ingresses is, or can be copied to, where the workload runs. `unknown`: nothing was asked. */
  certificate: 'exists' | 'missing' | 'unknown'
  /** The API version in which the cluster serves the route's kind; undefined: it does not, or nothing was asked. */
  routeVersion: string | undefined
  /** The configured Gateway. `unknown`: nothing was asked. */
  gateway: { listeners: readonly GatewayListener[] } | 'missing' | 'unknown'
}

/** The ground of an instance that asks for no exposure. */
export const noGround: ExposureGround = {
  claim: 'unknown',
  ingressClass: 'unknown',
  certificate: 'unknown',
  routeVersion: undefined,
  gateway: 'unknown',
}

/** How an instance is to be reached from outside of the cluster. */
export interface DesiredExposure {
  type: Exposing
  /** The first Ready waits until players reach the instance. */
  required: boolean
  port: DeclaredPort
  /** Undefined for an instance that is reached by an address. */
  host: string | undefined
  /** The database has the host for this instance. */
  claimed: boolean
  /** Players come by TLS that the controller ends. */
  tls: boolean
  /** The Secret with the certificate of an Ingress, and its copy where the workload runs. */
  certificate: { source: SecretName; copy: SecretName } | undefined
  /** The parent of the route does not exist, whatever the route says. */
  gatewayIsMissing: boolean
  /** The exposing object; undefined: it cannot be built. */
  object: Named<KubernetesObject> | undefined
  /** Why players do not reach the instance, as far as it does not follow from the object. */
  problem: Problem | undefined
}

export interface ExposureInput {
  instance: Stored<ChallengeInstance>
  spec: ChallengeTemplateSpec
  identity: Identity
  config: OperatorConfig
  ground: ExposureGround
}

/** @returns undefined for a template that is not exposed. The template has no problem, see `exposureProblems` */
export function desiredExposure(input: ExposureInput): DesiredExposure | undefined {
  const { instance, spec, config, ground } = input
  const type = exposingType(spec)
  const port = exposedPort(spec)
  if (type === undefined || port === undefined) return undefined
  const required = spec.exposure?.required ?? true
  const plan = {
    ...{ type, required, port, tls: endsTls(config), certificate: undefined, gatewayIsMissing: false },
    ...{ host: undefined, object: undefined, problem: undefined },
    claimed: ground.claim === 'held',
  }
  if (isDirect(type)) return { ...plan, object: directly(type, port, input) }
  const host = exposureHost(instance, spec, config)
  if (typeof host !== 'string') return { ...plan, problem: host }
  if (ground.claim === 'taken') return { ...plan, problem: hostTaken(host) }
  const reached = { ...plan, host }
  return type === 'Ingress' ? byIngress(reached, input) : byRoute(reached, input)
}

/** Only a platform whose players come by http alone says so: a port for http and none for https. */
function endsTls({ exposure: { publicPorts } }: OperatorConfig): boolean {
  return publicPorts.http === undefined || publicPorts.https !== undefined
}

function directly(
  type: 'NodePort' | 'LoadBalancer',
  port: DeclaredPort,
  { identity, spec, config }: ExposureInput,
): Named<KubernetesObject> {
  // A domain may lead to any node. An address of a balancer, or that of the pod's node, reaches the pod without a detour.
  const everyNode = type === 'NodePort' && config.exposure.domain !== undefined
  return exposedService({
    identity,
    type,
    annotations: spec.exposure?.annotations ?? {},
    port,
    everyNode,
  })
}

type Reached = DesiredExposure & { host: string }

function byIngress(plan: Reached, { identity, spec, config, ground }: ExposureInput): DesiredExposure {
  const { host, port, tls } = plan
  const className = config.exposure.ingressClass
  if (className === undefined)
    return {
      ...plan,
      problem: unsupported('OPERATOR_INGRESS_CLASS is not set, so no controller serves an Ingress'),
    }
  const annotations = spec.exposure?.annotations ?? {}
  const certificate = tls ? certificateOf(identity, config) : undefined
  // A controller serves nothing, or complains, for a Secret that does not exist.
  const secretName = ground.certificate === 'missing' ? undefined : certificate?.copy.name
  const isMissing = ground.ingressClass === 'missing'
  return {
    ...plan,
    certificate,
    object: ingress({ identity, annotations, className, host, port: port.port, tls, secretName }),
    problem: isMissing
      ? unsupported(`The cluster has no IngressClass "${className}" (OPERATOR_INGRESS_CLASS)`)
      : undefined,
  }
}

function certificateOf(
  { namespace }: Identity,
  { exposure: { tlsSecret: source } }: OperatorConfig,
): DesiredExposure['certificate'] {
  return source && { source, copy: { namespace, name: copiedSecretName(source, namespace) } }
}

/** A route is made also while its Gateway does not exist: the controller takes it up when it does. */
function byRoute(plan: Reached, { identity, spec, config, ground }: ExposureInput): DesiredExposure {
  const { host, port } = plan
  const kind = plan.type === 'TLSRoute' ? 'TLSRoute' : 'HTTPRoute'
  const { gateway } = config.exposure
  if (gateway === undefined)
    return { ...plan, problem: unsupported('OPERATOR_GATEWAY is not set, so no Gateway takes a route') }
  const apiVersion = ground.routeVersion
  if (apiVersion === undefined)
    return { ...plan, problem: unsupported(`The cluster does not serve ${kind} of the Gateway API`) }
  const annotations = spec.exposure?.annotations ?? {}
  const read = typeof ground.gateway === 'object' ? ground.gateway.listeners : []
  const gatewayIsMissing = ground.gateway === 'missing'
  return {
    ...plan,
    tls: listenersEndTls(read, host, gateway.section),
    gatewayIsMissing,
    object: route({ identity, kind, apiVersion, gateway, annotations, host, port: port.port }),
    problem: gatewayIsMissing
      ? unsupported(
          `The cluster has no Gateway "${gateway.name}" in namespace "${gateway.namespace}" (OPERATOR_GATEWAY)`,
        )
      : undefined,
  }
}

function unsupported(sentence: string): Problem {
  return { reason: 'ExposureUnsupported', message: `${sentence}.` }
}

function hostTaken(host: string): Problem {
  return {
    reason: 'HostTaken',
    message: `Another instance has the host ${host}. Remove it, or write a host template that tells the two apart.`,
  }
}
