/** The answer of the function sweep says who holds the Lease of the forwarder. Each part is absent where the Lease has none. */
export interface LeaseAnswer {
  holder?: string
  /** When the holder got it, RFC 3339. */
  since?: string
  /** The version of the holder. */
  version?: string
  /** The stack that owns the cluster, as `OPERATOR_STACK`. */
  stack?: string
  /** When the holder was deployed, RFC 3339. */
  deployedAt?: string
}

/** How one invocation of the function sweep ended. */
export type SweepEnd = { lease: LeaseAnswer | undefined } | { failure: string }

export interface SignOfLife {
  alive: boolean
  sentence: string
}

export interface Expected {
  stage: string
  cluster: string
  /** The region and the name of the stack, with a / between. */
  stack: string
  /** When the deployment began, RFC 3339. */
  deployedAt: string
}

/** What went wrong, by a part of the function's error message, and what mends it. */
const mends: readonly { failure: RegExp; mend: string }[] = [
  {
    failure: /Unauthorized|\b401\b/,
    mend: 'The cluster does not know the role. Set accessEntries: true, with the authentication mode API or API_AND_CONFIG_MAP of the cluster; an access entry that was made before its role is of no use (docs/deploy-aws.md, "Rights")',
  },
  {
    failure: /Forbidden|\b403\b/,
    mend: 'The role has no rights in the cluster: kubectl apply --server-side -k manifests',
  },
  { failure: /SchemaOutdated/, mend: 'The resource definitions are older: npx challenge-operator crds' },
  {
    failure: /timed out|ETIMEDOUT|ECONNREFUSED|ENOTFOUND|unreachable|ClusterUnavailable/i,
    mend: 'A function reaches the cluster or the database only from the right subnets and security groups: docs/deploy-aws.md, "Private subnets"',
  },
  {
    failure: /exit status 78/,
    mend: 'The configuration cannot be used; the log of the function names each variable',
  },
]

/** Whether a forwarder of this deployment holds the Lease, or of a later one. */
export function followsDeployment(lease: LeaseAnswer | undefined, expected: Expected): boolean {
  if (lease?.holder === undefined || isForeign(lease, expected)) return false
  // The time of getting it is that of another clock, so it counts only where the Lease does not name the deployment.
  return Date.parse(lease.deployedAt ?? lease.since ?? '') >= Date.parse(expected.deployedAt)
}

/** Whether the cluster belongs to another stack. The functions of this one then write nothing. */
export function isForeign(lease: LeaseAnswer | undefined, { stack }: Expected): boolean {
  return lease?.stack !== undefined && !lease.stack.endsWith(`/${stack}`)
}

/** Whether waiting changes nothing any more. */
export function isEnd(end: SweepEnd, expected: Expected): boolean {
  return 'lease' in end && (followsDeployment(end.lease, expected) || isForeign(end.lease, expected))
}

/** Says in one sentence what the last sweep of a deployment found, and how to mend what is wrong. */
export function describeEnd(end: SweepEnd, expected: Expected): SignOfLife {
  const log = (name: string) => `npx serverless logs -f ${name} --stage ${expected.stage}`
  if ('failure' in end) {
    const mend = mends.find(({ failure }) => failure.test(end.failure))?.mend
    return {
      alive: false,
      sentence: `The stack is deployed, but its sweep fails: ${end.failure}. ${mend ?? 'Look at its log'} (${log('sweep')}).`,
    }
  }
  const { holder, since = 'an unknown time', version, stack } = end.lease ?? {}
  if (isForeign(end.lease, expected))
    return {
      alive: false,
      sentence: `The stack is deployed, but ${expected.cluster} belongs to the stack ${stack}, so this one writes nothing. Remove one of the two; npx challenge-operator doctor --take-over makes this one the owner.`,
    }
  if (holder === undefined)
    return {
      alive: false,
      sentence: `The stack is deployed, but no forwarder holds the Lease of ${expected.cluster}, so nothing follows changes. Look at its log (${log('watch-forwarder')}).`,
    }
  const of = [version && `version ${version}`, stack && `stack ${stack}`].filter(Boolean).join(' of ')
  const who = `${holder}${of ? ` (${of})` : ''} holds the Lease of ${expected.cluster} since ${since}`
  return followsDeployment(end.lease, expected)
    ? { alive: true, sentence: `The operator is alive: ${who}.` }
    : {
        alive: false,
        sentence: `The stack is deployed, but a forwarder of before leads: ${who}. The new one takes over within a minute, or its log says why not (${log('watch-forwarder')}).`,
      }
}
