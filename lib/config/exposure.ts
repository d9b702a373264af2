import { parseCidr } from './cidr.ts'
import { defaultHostTemplate, domainProblem, hostTemplateProblem } from './host-template.ts'
import type { Variables } from './section.ts'

/** Ports that players type, by the scheme of a URL. They differ from a Gateway's listener where a Service maps them. */
export type PublicPorts = Readonly<Partial<Record<'http' | 'https' | 'tls', number>>>

/** How instances are reached from outside of the cluster. */
export interface ExposureConfig {
  domain: string | undefined
  hostTemplate: string
  ingressClass: string | undefined
  /** The Gateway of routes; `section`: one of its listeners. */
  gateway: { namespace: string; name: string; section?: string } | undefined
  /** The certificate of Ingresses. */
  tlsSecret: { namespace: string; name: string } | undefined
  /** The controller writes an address into the status of an Ingress, and only then an Ingress counts as exposed. */
  ingressStatus: boolean
  publicPorts: PublicPorts
}

const label = '[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?'
const subdomain = '[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?'
const className = new RegExp(`^${subdomain}$`)
const gatewayForm = new RegExp(`^(${label})/(${subdomain})(?:/(${subdomain}))?$`)
const secretForm = new RegExp(`^(${label})/(${subdomain})$`)
const portForm = /^(http|https|tls)=(\d{1,5})$/

export function exposureConfig(variables: Variables): ExposureConfig {
  return {
    domain: checked(variables, 'OPERATOR_DOMAIN', domainProblem),
    hostTemplate: checked(variables, 'OPERATOR_HOST_TEMPLATE', hostTemplateProblem) ?? defaultHostTemplate,
    ingressClass: variables.matching(
      'OPERATOR_INGRESS_CLASS',
      className,
      'the name of an IngressClass of the cluster',
    ),
    gateway: gateway(variables),
    tlsSecret: tlsSecret(variables),
    ingressStatus: variables.oneOf('OPERATOR_INGRESS_STATUS', ['true', 'false']) === 'true',
    publicPorts: publicPorts(variables),
  }
}

function checked(
  variables: Variables,
  name: string,
  problemOf: (value: string) => string | undefined,
): string | undefined {
  const value = variables.text(name)
  const problem = value === undefined ? undefined : problemOf(value)
  if (problem === undefined) return value
  variables.addProblem(`${name} ${problem}`)
  return undefined
}

function gateway(variables: Variables): ExposureConfig['gateway'] {
  const expected = 'a Gateway as namespace/name, or one of its listeners as namespace/name/listener'
  const [, namespace, name, section] =
    gatewayForm.exec(variables.matching('OPERATOR_GATEWAY', gatewayForm, expected) ?? '') ?? []
  if (namespace === undefined || name === undefined) return undefined
  return { namespace, name, ...(section !== undefined && { section }) }
}

function tlsSecret(variables: Variables): ExposureConfig['tlsSecret'] {
  const expected = 'a Secret of the type kubernetes.io/tls as namespace/name'
  const [, namespace, name] =
    secretForm.exec(variables.matching('OPERATOR_TLS_SECRET', secretForm, expected) ?? '') ?? []
  return namespace === undefined || name === undefined ? undefined : { namespace, name }
}

export function ingressCidrs(variables: Variables): string[] {
  const ranges = variables.list('OPERATOR_INGRESS_CIDRS', /./, 'a CIDR') ?? []
  for (const range of ranges) {
    const parsed = parseCidr(range)
    if (typeof parsed === 'string') variables.addProblem(`OPERATOR_INGRESS_CIDRS: ${parsed}`)
    else if (parsed.prefix === 0)
      variables.addProblem(
        `OPERATOR_INGRESS_CIDRS: ${range} is every address; write those of balancers, nodes and controllers`,
      )
  }
  return ranges
}

function publicPorts(variables: Variables): PublicPorts {
  const name = 'OPERATOR_PUBLIC_PORTS'
  const expected = 'scheme=port with the scheme http, https or tls, such as https=8443'
  const pairs = (variables.list(name, portForm, expected) ?? []).flatMap(text => {
    const [, scheme, number] = portForm.exec(text) ?? []
    return scheme === undefined ? [] : [[scheme, Number(number)] as const]
  })
  for (const [scheme, number] of pairs)
    if (number < 1 || number > 65_535)
      variables.addProblem(`${name} has ${scheme}=${number}; write a port from 1 to 65535`)
  const [twice] = pairs.map(([scheme]) => scheme).filter((each, index, all) => all.indexOf(each) !== index)
  if (twice !== undefined) variables.addProblem(`${name} has ${twice} twice; write one port`)
  return Object.fromEntries(pairs)
}
