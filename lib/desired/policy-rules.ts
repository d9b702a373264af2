import type {
  ChallengeTemplateSpec,
  EgressRule,
  ExposureType,
  NetworkProfile,
} from '../crd/challenge-template.ts'
import { canonicalJson } from './canonical.ts'
import { type DeclaredPort, declaredPorts, exposedPort } from './ports.ts'

/**
 * Everything that a template says about who may reach its pods and what they may reach. Templates with equal rules share a
 * policy in each namespace. The operator's configuration is not part of it.
 */
export interface PolicyRules {
  /** Sorted, each once. */
  ports: RulePort[]
  networkProfile: NetworkProfile
  /** Sorted. Empty with any other profile than `egress-allowlist`. */
  egressAllowlist: EgressRule[]
  /** The port that players from outside of the cluster come to; undefined: none. */
  exposure?: RulePort & { type: Exclude<ExposureType, 'None'> }
}

export type RulePort = Pick<DeclaredPort, 'port' | 'protocol'>

/** @param spec of a template without a problem */
export function policyRules(spec: ChallengeTemplateSpec): PolicyRules {
  const { networkProfile = 'isolated-egress-dns-only', egressAllowlist = [] } = spec
  const exposure = exposed(spec)
  return normalized({
    ports: declaredPorts(spec),
    networkProfile,
    egressAllowlist: networkProfile === 'egress-allowlist' ? egressAllowlist : [],
    ...(exposure && { exposure }),
  })
}

/** The rules as text. Equal rules give equal text. */
export function policyRulesText(rules: PolicyRules): string {
  return canonicalJson(rules)
}

/** The rules in the one form that equal rules have. */
export function normalized({ ports, networkProfile, egressAllowlist, exposure }: PolicyRules): PolicyRules {
  return {
    ports: unique(ports.map(rulePort)),
    networkProfile,
    egressAllowlist: unique(egressAllowlist.map(egressRule)),
    ...(exposure !== undefined && { exposure: { type: exposure.type, ...rulePort(exposure) } }),
  }
}

function exposed(spec: ChallengeTemplateSpec): PolicyRules['exposure'] {
  const type = spec.exposure?.type ?? 'None'
  const port = type === 'None' ? undefined : exposedPort(spec)
  return type === 'None' || port === undefined ? undefined : { type, ...rulePort(port) }
}

function rulePort({ port, protocol }: RulePort): RulePort {
  return { port, protocol }
}

function egressRule({ cidr, except = [], ports = [] }: EgressRule): EgressRule {
  return {
    cidr,
    ...(except.length > 0 && { except: [...new Set(except)].sort() }),
    ...(ports.length > 0 && {
      ports: unique(ports.map(({ port, protocol = 'TCP' }) => ({ port, protocol }))),
    }),
  }
}

/** The values in the order of their text, each once. */
function unique<T>(values: readonly T[]): T[] {
  const byText = new Map(values.map(value => [canonicalJson(value), value]))
  return [...byText].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, value]) => value)
}
