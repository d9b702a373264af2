import { isAbsolute, resolve } from 'node:path'

/** What a cluster may be unable to show, each with the reason that a skipped test gives. */
export const abilities = {
  policies: 'the CNI of this cluster does not enforce NetworkPolicies',
  outside: 'no pod of this cluster reaches both E2E_OUTSIDE and E2E_OUTSIDE_OTHER',
  metadata: 'nothing answers at 169.254.169.254:80',
  node: 'no pod of this cluster reaches the kubelet of a node',
  'api-server': 'no pod of this cluster reaches the API server',
  ipv6: 'the pods of this cluster have no IPv6 address',
  'node-port': 'no pod of this cluster reaches a node port',
  ingress: 'E2E_INGRESS_CLASS and E2E_INGRESS_SERVICE name no controller of this cluster',
  'http-route': 'this cluster serves no HTTPRoute, or E2E_GATEWAY and E2E_GATEWAY_SERVICE name no Gateway',
  'tls-route': 'this cluster serves no TLSRoute, or E2E_GATEWAY and E2E_GATEWAY_SERVICE name no Gateway',
  'load-balancer': 'E2E_LOAD_BALANCER does not say that this cluster has load balancers',
  metrics: 'nothing serves metrics.k8s.io in this cluster',
  'operator-image': 'E2E_OPERATOR_IMAGE and E2E_PARTS_IMAGE name no images of the operator and its parts',
} as const

export type Ability = keyof typeof abilities

/** The variables of the suite, each with its default and its meaning. */
export const variableReference = [
  { name: 'KUBECONFIG', meaning: 'the cluster, with the rights of an administrator' },
  {
    name: 'E2E_IMAGE',
    default: 'registry.k8s.io/e2e-test-images/agnhost:2.53',
    meaning: 'the image of all workloads: agnhost, under a name that the cluster can pull',
  },
  {
    name: 'E2E_OUTSIDE',
    default: '1.1.1.1:443',
    meaning: 'a TCP server on the internet; challenges with an allow list may reach it',
  },
  {
    name: 'E2E_OUTSIDE_OTHER',
    default: '8.8.8.8:443',
    meaning: 'another one, with another address; the allow list does not name it',
  },
  {
    name: 'E2E_INGRESS_CLASS',
    meaning: 'an IngressClass whose controller serves HTTP at port 80 of E2E_INGRESS_SERVICE',
  },
  {
    name: 'E2E_INGRESS_SERVICE',
    meaning: 'the Service of that controller, as namespace/name',
  },
  {
    name: 'E2E_GATEWAY',
    meaning:
      'a Gateway, as namespace/name, with an HTTP listener and a TLS listener of mode Passthrough, open to all namespaces',
  },
  {
    name: 'E2E_GATEWAY_SERVICE',
    meaning: 'the Service of that Gateway, as namespace/name: HTTP at port 80, TLS at port 443',
  },
  {
    name: 'E2E_LOAD_BALANCER',
    default: 'false',
    meaning: 'true: a Service of type LoadBalancer gets an address that pods reach',
  },
  {
    name: 'E2E_OPERATOR_IMAGE',
    meaning: 'the image of the operator, under a name that the cluster can pull or has',
  },
  {
    name: 'E2E_PARTS_IMAGE',
    meaning: 'the image with Postgres and the queues for it, which test/e2e/image/pack.ts makes',
  },
  {
    name: 'E2E_REQUIRE',
    meaning: 'abilities that the cluster must have, with commas between; the run fails if one is missing',
  },
] as const

export interface SuiteVariables {
  kubeconfig: string
  image: string
  outside: Address
  outsideOther: Address
  ingress: { className: string; service: ObjectName } | undefined
  gateway: { gateway: ObjectName; service: ObjectName } | undefined
  loadBalancer: boolean
  /** The images of an operator that runs in the cluster itself. */
  inCluster: { operator: string; parts: string } | undefined
  required: Ability[]
}

export interface ObjectName {
  namespace: string
  name: string
}

export interface Address {
  host: string
  port: number
}

type Named = (typeof variableReference)[number]['name']

/** @throws Error with every problem, one a line */
export function readVariables(env: Record<string, string | undefined>): SuiteVariables {
  const problems: string[] = []
  const known = variableReference.map(({ name }) => name as string)
  for (const name of Object.keys(env).filter(each => each.startsWith('E2E_')))
    if (!known.includes(name)) problems.push(`${name} is not known; write one of ${known.join(', ')}`)
  const text = (name: Named): string => {
    const entry = variableReference.find(each => each.name === name)
    return env[name]?.trim() || (entry && 'default' in entry ? entry.default : '')
  }
  const address = (name: 'E2E_OUTSIDE' | 'E2E_OUTSIDE_OTHER'): Address => {
    const [, host = '', port = ''] = text(name).match(/^([0-9.]+):([0-9]{1,5})$/) ?? []
    if (host === '') problems.push(`${name} is no IPv4 address with a port; write for example 192.0.2.1:443`)
    return { host, port: Number(port) }
  }
  const objectName = (name: Named): ObjectName => {
    const [, namespace = '', own = ''] = text(name).match(/^([-a-z0-9]+)\/([-a-z0-9.]+)$/) ?? []
    if (own === '') problems.push(`${name} is no namespace/name; write for example ingress/controller`)
    return { namespace, name: own }
  }
  const together = (...names: Named[]): boolean => {
    const given = names.filter(name => text(name) !== '')
    if (given.length > 0 && given.length < names.length)
      problems.push(`${names.join(' and ')} belong together; write both`)
    return given.length === names.length
  }
  if (!['true', 'false'].includes(text('E2E_LOAD_BALANCER')))
    problems.push('E2E_LOAD_BALANCER is neither true nor false')
  const required = text('E2E_REQUIRE')
    .split(',')
    .map(each => each.trim())
    .filter(each => each !== '')
  for (const name of required)
    if (!(name in abilities))
      problems.push(`E2E_REQUIRE: ${name} is not known; write some of ${Object.keys(abilities).join(', ')}`)
  if (text('KUBECONFIG') === '') problems.push('KUBECONFIG is not set; write the path of a kubeconfig')
  const variables = {
    kubeconfig: text('KUBECONFIG')
      .split(':')
      .map(path => (isAbsolute(path) ? path : resolve(path)))
      .join(':'),
    image: text('E2E_IMAGE'),
    outside: address('E2E_OUTSIDE'),
    outsideOther: address('E2E_OUTSIDE_OTHER'),
    ingress: together('E2E_INGRESS_CLASS', 'E2E_INGRESS_SERVICE')
      ? { className: text('E2E_INGRESS_CLASS'), service: objectName('E2E_INGRESS_SERVICE') }
      : undefined,
    gateway: together('E2E_GATEWAY', 'E2E_GATEWAY_SERVICE')
      ? { gateway: objectName('E2E_GATEWAY'), service: objectName('E2E_GATEWAY_SERVICE') }
      : undefined,
    inCluster: together('E2E_OPERATOR_IMAGE', 'E2E_PARTS_IMAGE')
      ? { operator: text('E2E_OPERATOR_IMAGE'), parts: text('E2E_PARTS_IMAGE') }
      : undefined,
    loadBalancer: text('E2E_LOAD_BALANCER') === 'true',
    required: required as Ability[],
  }
  if (variables.outside.host === variables.outsideOther.host)
    problems.push('E2E_OUTSIDE and E2E_OUTSIDE_OTHER have one address; write two')
  if (problems.length > 0) throw new Error(problems.join('\n'))
  return variables
}
