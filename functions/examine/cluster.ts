import type { Finding } from '../../lib/doctor/check.ts'
import type { ExaminationRequest, ExaminedLine } from '../../lib/doctor/examination.ts'
import { operatorError } from '../../lib/errors.ts'
import type { KubernetesClient } from '../../lib/kubernetes/client/http.ts'
import { listedRights, rightOf, rightsRefused } from '../../lib/kubernetes/install/access-review.ts'
import { ownName } from '../../lib/kubernetes/install/accounts.ts'
import { checkSchema } from '../../lib/kubernetes/install/schema-check.ts'
import { leaseAccess } from '../../lib/kubernetes/lease/access.ts'
import { forwarderLease, isForeign, type Writer } from '../../lib/kubernetes/lease/record.ts'
import { summaryOf } from '../../lib/kubernetes/lease/summary.ts'
import { readServerVersion } from '../../lib/kubernetes/server-version.ts'
import { judgeVersion } from '../../lib/kubernetes/supported-versions.ts'
import { type ExaminedPart, isNetworkFailure, networkRemedy } from './examine.ts'

export interface ExaminedCluster {
  client: KubernetesClient
  /** The namespace of the forwarder's Lease. */
  namespace: string
  writer: Pick<Writer, 'stack'>
}

const accessRemedy =
  "give the function's role an access entry: accessEntries: true in the file of the cluster, whose authentication mode " +
  'is API or API_AND_CONFIG_MAP; or an entry of your own. An entry that was made before its role is of no use: delete it ' +
  'and make it anew, see docs/deploy-aws.md, "Rights"'
const rightsRemedy = 'kubectl apply --server-side -k manifests, and bind the roles in the watched namespaces'

/** Examines whether the cluster can be reached and knows the function, its schema, the function's rights, and who leads. */
export function clusterPart({ client, namespace, writer }: ExaminedCluster): ExaminedPart {
  return {
    part: 'cluster',
    remedyOf: clusterRemedy,
    async look(request, signal) {
      const reached = await reachedFinding(client, signal)
      const first: ExaminedLine = { part: 'cluster', finding: reached }
      // Every other answer would be the same refusal.
      if ('problem' in reached) return [first]
      const others = await Promise.all([
        line('definitions', () => schemaFinding(client, signal)),
        line('rights', () => rightsFinding(client, request, signal)),
        line('lease', () => leaseFinding(client, { namespace, writer }, signal)),
      ])
      return [first, ...others]
    },
  }
}

async function line(part: string, look: () => Promise<Finding>): Promise<ExaminedLine> {
  try {
    return { part, finding: await look() }
  } catch (thrown) {
    const { reason, message } = operatorError(thrown)
    const remedy =
      reason === 'SchemaOutdated'
        ? 'npx challenge-operator crds'
        : reason === 'Forbidden'
          ? rightsRemedy
          : clusterRemedy(message)
    return { part, finding: { problem: message, remedy } }
  }
}

function clusterRemedy(failure: string): string {
  if (/certificate/.test(failure))
    return 'correct cluster.ca (and cluster.endpoint) in the file of the cluster, as aws eks describe-cluster gives them, and deploy'
  return isNetworkFailure(failure)
    ? `correct cluster.endpoint, or ${networkRemedy}`
    : 'look at the log of the function'
}

async function reachedFinding(client: KubernetesClient, signal: AbortSignal): Promise<Finding> {
  const { status, gitVersion } = await readServerVersion(client, signal)
  if (status === 401)
    return { problem: "the cluster does not know the function's role (401)", remedy: accessRemedy }
  if (status !== 403 && gitVersion === undefined)
    return {
      problem: `what answers is no Kubernetes API server (status ${status} for /version)`,
      remedy: 'correct cluster.endpoint in the file of the cluster, and deploy',
    }
  const name = await ownName(client, signal)
  const { supported, sentence } = judgeVersion(gitVersion)
  const reached = `Kubernetes ${gitVersion ?? 'of an unknown version'} accepts its token${name === undefined ? '' : `, as ${name}`}`
  return supported
    ? { fine: `${reached}; this version is supported` }
    : { note: `${reached}, but ${sentence}` }
}

async function schemaFinding(client: KubernetesClient, signal: AbortSignal): Promise<Finding> {
  const seen = await checkSchema(client, signal)
  return seen === 'versions'
    ? { fine: 'the definitions of the cluster are of this version or a newer one' }
    : { note: 'it may not read the definitions, so their version was not checked' }
}

async function rightsFinding(
  client: KubernetesClient,
  { rights = [] }: ExaminationRequest,
  signal: AbortSignal,
): Promise<Finding> {
  if (rights.length === 0) return { unknown: 'no rights were asked for' }
  const missing = await rightsRefused(client, undefined, rights, signal)
  if (missing.length === 0) return { fine: `it has all ${rights.length} rights in the cluster that it needs` }
  const what =
    missing.length === rights.length ? 'has no rights' : `may not: ${listedRights(missing.map(rightOf))}`
  return { problem: `in the cluster it ${what} (403)`, remedy: rightsRemedy }
}

async function leaseFinding(
  client: KubernetesClient,
  { namespace, writer }: Pick<ExaminedCluster, 'namespace' | 'writer'>,
  signal: AbortSignal,
): Promise<Finding> {
  const lease = await leaseAccess(client, namespace, forwarderLease).read(signal)
  const { holder, since, version, stack } = summaryOf(lease) ?? {}
  if (isForeign(lease, writer))
    return {
      problem: `the cluster belongs to ${stack}, so this stack writes nothing there`,
      remedy: 'remove one of the two; npx challenge-operator doctor --take-over makes this one the owner',
    }
  if (holder === undefined)
    return {
      problem: 'no forwarder leads, so nothing follows changes',
      remedy: 'look at the log of watch-forwarder',
    }
  return {
    fine: `${holder} of version ${version ?? 'unknown'} leads since ${since ?? 'an unknown time'}`,
  }
}
