import type { Exposing } from './exposing-type.ts'

/** The annotations that one family of controllers reads. */
interface Family {
  types: readonly Exposing[]
  prefix: string
  names: readonly string[]
}

/**
 * The annotations that a template may set, by family of controllers. They bound, time and balance the traffic to the
 * challenge itself. An annotation is left out that
 * - holds configuration (snippets),
 * - sends requests to another address (auth-url, mirror-target, canary, server-alias, middlewares, actions),
 * - leaves out a check that the controller makes (enable-global-auth, satisfy, the entry points of Traefik),
 * - takes an address, a host or a balancer that others have (group.name, allow-shared-ip, hostname), or counts for all
 *   Ingresses of one balancer (scheme, inbound-cidrs, ip-address-type and ssl-redirect of AWS),
 * - a controller reads from a Service and not from an Ingress (`service.` of Traefik, cookie-persistence of HAProxy).
 *
 * Every name stands in the documentation or the source of its controller: ingress-nginx dbb11b92d, traefik fd5a576df2,
 * haproxytech/kubernetes-ingress fc120676, jcmoraisjr/haproxy-ingress 465a51ce, aws-load-balancer-controller 225f44568,
 * cloud-provider-aws 63ec440c, cloud-provider-azure 7b31c76ce, ingress-gce acbcf5d66, metallb 7938d3f89,
 * hcloud-cloud-controller-manager 6485324f.
 */
export const annotationFamilies: readonly Family[] = [
  {
    types: ['Ingress'],
    prefix: 'nginx.ingress.kubernetes.io/',
    names: [
      'affinity',
      'affinity-mode',
      'backend-protocol',
      'client-body-buffer-size',
      'denylist-source-range',
      'force-ssl-redirect',
      'limit-burst-multiplier',
      'limit-connections',
      'limit-rate',
      'limit-rate-after',
      'limit-rpm',
      'limit-rps',
      'load-balance',
      'proxy-body-size',
      'proxy-buffer-size',
      'proxy-buffering',
      'proxy-buffers-number',
      'proxy-connect-timeout',
      'proxy-http-version',
      'proxy-read-timeout',
      'proxy-request-buffering',
      'proxy-send-timeout',
      'session-cookie-max-age',
      'session-cookie-name',
      'session-cookie-samesite',
      'ssl-redirect',
      'whitelist-source-range',
    ],
  },
  {
    types: ['Ingress'],
    prefix: 'traefik.ingress.kubernetes.io/',
    names: ['router.tls'],
  },
  {
    types: ['Ingress'],
    prefix: 'haproxy.org/',
    names: [
      'allow-list',
      'check',
      'check-interval',
      'deny-list',
      'load-balance',
      'pod-maxconn',
      'rate-limit-period',
      'rate-limit-requests',
      'rate-limit-size',
      'rate-limit-status-code',
      'server-ssl',
      'ssl-redirect',
      'timeout-check',
      'timeout-server',
    ],
  },
  {
    types: ['Ingress'],
    prefix: 'haproxy-ingress.github.io/',
    names: [
      'affinity',
      'allowlist-source-range',
      'backend-protocol',
      'balance-algorithm',
      'denylist-source-range',
      'limit-connections',
      'limit-rps',
      'maxconn-server',
      'proxy-body-size',
      'session-cookie-name',
      'ssl-redirect',
      'timeout-connect',
      'timeout-http-request',
      'timeout-queue',
      'timeout-server',
      'timeout-tunnel',
    ],
  },
  {
    types: ['Ingress'],
    prefix: 'alb.ingress.kubernetes.io/',
    names: [
      'backend-protocol',
      'backend-protocol-version',
      'healthcheck-interval-seconds',
      'healthcheck-path',
      'healthcheck-port',
      'healthcheck-protocol',
      'healthcheck-timeout-seconds',
      'healthy-threshold-count',
      'success-codes',
      'target-group-attributes',
      'target-type',
      'unhealthy-threshold-count',
    ],
  },
  {
    types: ['LoadBalancer'],
    prefix: 'service.beta.kubernetes.io/',
    names: [
      'aws-load-balancer-backend-protocol',
      'aws-load-balancer-connection-idle-timeout',
      'aws-load-balancer-cross-zone-load-balancing-enabled',
      'aws-load-balancer-healthcheck-healthy-threshold',
      'aws-load-balancer-healthcheck-interval',
      'aws-load-balancer-healthcheck-path',
      'aws-load-balancer-healthcheck-port',
      'aws-load-balancer-healthcheck-protocol',
      'aws-load-balancer-healthcheck-timeout',
      'aws-load-balancer-healthcheck-unhealthy-threshold',
      'aws-load-balancer-internal',
      'aws-load-balancer-ip-address-type',
      'aws-load-balancer-nlb-target-type',
      'aws-load-balancer-scheme',
      'aws-load-balancer-target-group-attributes',
      'aws-load-balancer-type',
      'azure-load-balancer-health-probe-interval',
      'azure-load-balancer-health-probe-num-of-probe',
      'azure-load-balancer-health-probe-protocol',
      'azure-load-balancer-health-probe-request-path',
      'azure-load-balancer-internal',
      'azure-load-balancer-tcp-idle-timeout',
    ],
  },
  {
    types: ['LoadBalancer'],
    prefix: 'networking.gke.io/',
    names: ['internal-load-balancer-allow-global-access', 'load-balancer-type'],
  },
  {
    types: ['LoadBalancer'],
    prefix: 'cloud.google.com/',
    names: ['l4-rbs', 'load-balancer-type', 'network-tier'],
  },
  { types: ['LoadBalancer'], prefix: 'metallb.io/', names: ['address-pool'] },
  { types: ['LoadBalancer'], prefix: 'metallb.universe.tf/', names: ['address-pool'] },
  {
    types: ['LoadBalancer'],
    prefix: 'load-balancer.hetzner.cloud/',
    names: ['location', 'network-zone', 'type', 'use-private-ip'],
  },
]

/**
 * The characters of a value: those of numbers, times, sizes, ranges, paths and words. None of them ends a directive or
 * begins a block or a quotation in the configuration of a controller.
 */
const plainValue = /^[A-Za-z0-9./:][-A-Za-z0-9 .,:/_*=+]{0,255}$/

/** Characters of a name that a message shows, and annotations that it names. */
const shownLimit = 100
const namedLimit = 5

/** @returns the problems of a template's annotations, each with what to write instead */
export function annotationProblems(
  type: Exposing | undefined,
  annotations: Readonly<Record<string, string>>,
): string[] {
  const refused = Object.keys(annotations).filter(name => !isAllowed(type, name))
  const unclear = Object.entries(annotations).filter(
    ([name, value]) => !refused.includes(name) && !plainValue.test(value),
  )
  return [
    ...(refused.length === 0
      ? []
      : [
          `exposure.annotations has ${named(refused)}, which no challenge with exposure.type ${type ?? 'None'} may set; ` +
            'remove it (docs/exposure.md lists what is allowed)',
        ]),
    ...(unclear.length === 0
      ? []
      : [
          `exposure.annotations has a value for ${named(unclear.map(([name]) => name))} with other characters than ` +
            'letters, digits, blanks and -.,:/_*=+; write a plain value',
        ]),
  ]
}

function isAllowed(type: Exposing | undefined, annotation: string): boolean {
  return annotationFamilies.some(
    ({ types, prefix, names }) =>
      type !== undefined &&
      types.includes(type) &&
      annotation.startsWith(prefix) &&
      names.includes(annotation.slice(prefix.length)),
  )
}

function named(names: readonly string[]): string {
  return names
    .slice(0, namedLimit)
    .map(name => JSON.stringify(name.slice(0, shownLimit).toWellFormed()))
    .join(', ')
}
