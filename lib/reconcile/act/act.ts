import type { ChallengeInstance } from '../../crd/challenge-instance.ts'
import { isWorkload } from '../../crd/child-kinds.ts'
import type { Stored } from '../../crd/objects.ts'
import { referenceTo } from '../../crd/reference.ts'
import { placementOf } from '../../desired/identity.ts'
import { type OperatorError, operatorError } from '../../errors.ts'
import type { Cluster } from '../../kubernetes/cluster.ts'
import { withoutPastRepairs } from '../../observed/repairs.ts'
import type { Decision } from '../decide.ts'
import { rechecksShared, repairsAtOnce } from '../pass/causes.ts'
import type { Observed, TemplateSource } from '../pass/observation.ts'
import type { Pass } from '../pass/outcome.ts'
import type { Revisions } from '../template/revisions.ts'
import type { ReportTemplate } from '../template/template-status.ts'
import type { Acted } from './acted.ts'
import { converge } from './converge.ts'
import type { EnsureDefaultDeny } from './default-deny.ts'
import { tryRefusedPodsAgain } from './refused-pods.ts'
import type { EnsureWorkloadNamespace, NamespaceChecks, PlacedWorkload } from './workload-namespace.ts'

export interface Actors {
  cluster: Cluster
  ensureDefaultDeny: EnsureDefaultDeny
  ensureNamespace: EnsureWorkloadNamespace
  revisions: Revisions
  reportTemplate: ReportTemplate
  /** Epoch milliseconds. */
  now: () => number
}

interface ToAct {
  observed: Observed
  decision: Decision
  pass: Pass
}

/** Carries out a decision. The failure of a child is data; a failure that leaves nothing to report throws. */
export async function act(
  { cluster, ensureDefaultDeny, ensureNamespace, revisions, reportTemplate, now }: Actors,
  { observed, decision, pass }: ToAct,
  signal: AbortSignal,
): Promise<Acted> {
  const { instance, template } = observed
  const children = instance.status?.children ?? []
  const nothing: Acted = { children, writes: [], failures: [], converged: false }
  switch (decision.kind) {
    case 'look':
      return { ...nothing, failures: await guardWhatRuns(ensureDefaultDeny, { instance, pass }, signal) }
    case 'leave':
      return {
        ...nothing,
        children: children.map(child => withoutPastRepairs(child, now())),
        failures: await guardWhatRuns(ensureDefaultDeny, { instance, pass }, signal),
      }
    case 'expire': {
      const ended = await expire(cluster, instance, signal)
      return ended === 'overtaken' ? { ...nothing, overtaken: true } : nothing
    }
    case 'converge': {
      const { desired, source } = decision
      const recheck = rechecksShared(pass)
      try {
        await Promise.all([
          ensureNamespace(placedBy(instance, decision), namespaceChecks(observed, decision, recheck), signal),
          keepTemplate(revisions, { instance, source, recheck }, signal),
          ...(source.exists && template.kind === 'read' ? [reportTemplate(template.template, signal)] : []),
        ])
      } catch (thrown) {
        // No workload starts without the standing policy. What runs already is left as it is.
        return { ...nothing, failures: [operatorError(thrown)] }
      }
      signal.throwIfAborted()
      const { deployment } = observed
      const converged = await converge(
        cluster,
        { observed, desired: desired.children, now: now(), ignorePauses: repairsAtOnce(pass) },
        signal,
      )
      return {
        ...(await tryRefusedPodsAgain(cluster, { deployment, pass, converged }, signal)),
        converged: true,
      }
    }
  }
}

type Converging = Extract<Decision, { kind: 'converge' }>

function placedBy(instance: Stored<ChallengeInstance>, { desired, source }: Converging): PlacedWorkload {
  const { namespace } = desired
  return {
    instance,
    namespace,
    placement: placementOf(instance.metadata, namespace),
    spec: source.template.spec,
  }
}

/** A workload that is gone may have gone with its namespace. An instance that met one in deletion looks again. */
function namespaceChecks(
  { instance, deployment }: Observed,
  { desired }: Converging,
  recheck: boolean,
): NamespaceChecks {
  const { children = [], reason, template } = instance.status ?? {}
  const vanished = deployment === undefined && children.some(isWorkload)
  return {
    recheck:
      recheck ||
      (desired.namespace !== instance.metadata.namespace && (vanished || reason === 'NamespaceStuck')),
    changed: template?.hash !== desired.templateHash,
  }
}

/**
 * Puts back the default-deny policy of the namespaces in which something of an instance runs, if the pass is to recheck
 * it. A pass that converges does so already; this is for an instance that is left as it is, or is being deleted.
 * @returns the failures
 */
export async function guardWhatRuns(
  ensureDefaultDeny: EnsureDefaultDeny,
  { instance, pass }: { instance: ChallengeInstance; pass: Pass },
  signal: AbortSignal,
): Promise<OperatorError[]> {
  if (!rechecksShared(pass)) return []
  const namespaces = new Set(instance.status?.children?.map(child => child.namespace))
  const ensured = [...namespaces].map(namespace => ensureDefaultDeny(namespace, { recheck: true }, signal))
  const results = await Promise.allSettled(ensured)
  return results.flatMap(result => (result.status === 'rejected' ? [operatorError(result.reason)] : []))
}

/** Deletes an instance whose time is over, in the version that was read. */
export async function expire(
  cluster: Cluster,
  instance: Stored<ChallengeInstance>,
  signal: AbortSignal,
): Promise<'ended' | 'overtaken'> {
  const { uid, resourceVersion } = instance.metadata
  const result = await cluster.delete(referenceTo(instance), { uid, resourceVersion }, signal)
  return result === 'conflict' ? 'overtaken' : 'ended'
}

/** Keeps the template before the status names its revision. A revision that the status names is kept already. */
async function keepTemplate(
  revisions: Revisions,
  { instance, source, recheck }: { instance: ChallengeInstance; source: TemplateSource; recheck: boolean },
  signal: AbortSignal,
): Promise<void> {
  const isNamed = instance.status?.template?.revision === source.revision
  if (source.exists && (recheck || !isNamed)) await revisions.keep(source.template, { recheck }, signal)
}
