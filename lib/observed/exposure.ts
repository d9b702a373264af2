import type { ExposureConfig } from '../config/exposure.ts'
import type { Endpoint } from '../crd/challenge-instance.ts'
import type { GatewayRoute, Ingress, KubernetesObject, LoadBalancerAddress, Service } from '../crd/objects.ts'
import { scheme } from '../desired/address.ts'
import { shortHash } from '../desired/canonical.ts'
import { type Exposing, isRoute } from '../desired/exposure/exposing-type.ts'
import type { DesiredExposure } from '../desired/exposure/exposure.ts'
import type { Reason } from '../reasons.ts'
import { routeLack, routeState } from './route.ts'
import type { WorkloadVerdict } from './workload.ts'

/** Whether players from outside of the cluster reach an instance. */
export interface ExposureVerdict {
  /** Undefined: they do. */
  reason: Reason | undefined
  /** A sentence about the reason; empty without one. */
  message: string
  /** The forwarder sees when the reason goes, so that no timer is needed. */
  watched: boolean
  /** Undefined: it is not known yet. */
  outside: Endpoint | undefined
}

/** State of a route whose Gateway does not exist, whatever its own status says. */
export const withoutGateway = 'no gateway'

/** Characters of a state. A longer list of addresses is hashed. */
const stateLimit = 100

/**
 * Returns what the exposing object says about its address: the part of it that a verdict follows from. The forwarder compares
 * it with the state that a status has recorded.
 */
export function exposureState(object: KubernetesObject): string {
  if (isRoute(object.kind as Exposing)) return routeState(object as GatewayRoute).state
  const addresses = addressesOf(object as Ingress | Service).map(
    address => address.ip ?? address.hostname ?? '',
  )
  const state = [...nodePorts(object), ...addresses.toSorted()].join(' ')
  return state.length > stateLimit ? shortHash(state) : state
}

export interface ExposureInput {
  exposure: DesiredExposure
  /** The exposing object as it was read or written last; undefined: it is not there. */
  object: KubernetesObject | undefined
  /** Address of the pod's node; undefined: it is not known. */
  hostIP: string | undefined
  config: ExposureConfig
}

export function exposureVerdict(input: ExposureInput): ExposureVerdict {
  const { exposure, object } = input
  const outside = outsideAddress(input)
  if (exposure.problem)
    return { ...exposure.problem, watched: exposure.gatewayIsMissing && object !== undefined, outside }
  const lacks =
    object === undefined ? pending('The object that exposes it is not there yet.') : missing(input, outside)
  return { ...(lacks ?? { reason: undefined, message: '' }), watched: true, outside }
}

function pending(message: string): Lack {
  return { reason: 'AddressPending', message }
}

/**
 * Returns the verdict on a workload whose first Ready waits until players reach it. The pod serves, and the reason says what
 * it waits for.
 */
export function heldByExposure(
  verdict: WorkloadVerdict,
  awaited: { reason: Reason; message: string } | undefined,
): WorkloadVerdict {
  return verdict.ready && awaited ? { ...verdict, ...awaited, ready: false } : verdict
}

type Lack = Pick<ExposureVerdict, 'reason' | 'message'>

/** @returns what the exposing object lacks */
function missing(
  { exposure, object, config }: ExposureInput,
  outside: Endpoint | undefined,
): Lack | undefined {
  const { type } = exposure
  const name = object?.metadata.name
  if (isRoute(type)) return routeLack(object as GatewayRoute)
  if (type === 'Ingress' && config.ingressStatus && addressesOf(object as Ingress).length === 0)
    return pending(
      `Ingress "${name}" has no address yet; the controller of its class has to write one into its status.`,
    )
  if (outside !== undefined) return undefined
  return pending(
    type === 'LoadBalancer'
      ? `Service "${name}" has no address yet; the controller of load balancers has to give it one.`
      : "The address of the pod's node is not known yet; OPERATOR_DOMAIN can name one for all nodes.",
  )
}

function outsideAddress({ exposure, object, hostIP, config }: ExposureInput): Endpoint | undefined {
  const { type, host, port, tls } = exposure
  const { name, protocol, appProtocol } = port
  const inner = scheme(protocol, appProtocol)
  switch (type) {
    case 'NodePort': {
      const [number] = object ? nodePorts(object) : []
      const address = config.domain ?? hostIP
      if (number === undefined || address === undefined) return undefined
      return endpoint({ name, protocol: inner, host: address, port: number, shown: number })
    }
    case 'LoadBalancer': {
      const [first] = object ? addressesOf(object as Service) : []
      const address = first?.hostname ?? first?.ip
      if (address === undefined) return undefined
      return endpoint({ name, protocol: inner, host: address, port: port.port, shown: port.port })
    }
    case 'TLSRoute': {
      if (host === undefined) return undefined
      const protocol = inner === 'http' ? 'https' : 'tls'
      const shown = config.publicPorts.tls
      return endpoint({ name, protocol, host, port: shown ?? 443, shown })
    }
    default: {
      if (host === undefined) return undefined
      const protocol = tls ? 'https' : 'http'
      const shown = config.publicPorts[protocol]
      return endpoint({ name, protocol, host, port: shown ?? (tls ? 443 : 80), shown })
    }
  }
}

/** Ports that a URL leaves out. */
const portOfScheme: Readonly<Record<string, number>> = { http: 80, https: 443 }

/** @param shown the port that the URL shows, unless it is that of the scheme; undefined: none */
function endpoint({ shown, ...address }: Omit<Endpoint, 'url'> & { shown: number | undefined }): Endpoint {
  const { protocol, host } = address
  const authority = host.includes(':') ? `[${host}]` : host
  const suffix = shown === undefined || shown === portOfScheme[protocol] ? '' : `:${shown}`
  return { ...address, url: `${protocol}://${authority}${suffix}` }
}

function addressesOf({ status }: Ingress | Service): LoadBalancerAddress[] {
  return (status?.loadBalancer?.ingress ?? []).filter(({ ip, hostname }) => ip || hostname)
}

function nodePorts(object: KubernetesObject): number[] {
  if (object.kind !== 'Service') return []
  return (object as Service).spec.ports.flatMap(({ nodePort }) => nodePort ?? [])
}
