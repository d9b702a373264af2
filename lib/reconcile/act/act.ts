import type { ChallengeInstance, Child } from '../../crd/challenge-instance.ts'
import { isWorkload } from '../../crd/child-kinds.ts'
import type { Stored } from '../../crd/objects.ts'
import { childKey } from '../../crd/reference.ts'
import { placementOf } from '../../desired/identity.ts'
import { type OperatorError, operatorError } from '../../errors.ts'
import type { Cluster } from '../../kubernetes/cluster.ts'
import { withoutPastRepairs } from '../../observed/repairs.ts'
import type { Decision } from '../decide.ts'
import { expire } from '../ends/expire.ts'
import { rechecksShared, repairsAtOnce } from '../pass/causes.ts'
import type { Observed, TemplateSource } from '../pass/observation.ts'
import type { Pass } from '../pass/outcome.ts'
import { unneededOwnPolicy } from '../policy/own-policy.ts'
import type { EnsureSharedPolicy } from '../policy/shared-policy-guard.ts'
import type { Revisions } from '../template/revisions.ts'
import type { ReportTemplate } from '../template/template-status.ts'
import type { Acted } from './acted.ts'
import { applyChild } from './apply-child.ts'
import { converge, prune } from './converge.ts'
import type { EnsureCopiedSecret } from './copied-secrets.ts'
import { copyTlsSecret, withUncopied } from './copy-tls-secret.ts'
import { tryRefusedPodsAgain } from './refused-pods.ts'
import type { EnsureWorkloadNamespace, NamespaceChecks, PlacedWorkload } from './workload-namespace.ts'

export interface Actors {
  cluster: Cluster
  ensureNamespace: EnsureWorkloadNamespace
  ensureSharedPolicy: EnsureSharedPolicy
  ensureCopiedSecret: EnsureCopiedSecret
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
  actors: Actors,
  { observed, decision, pass }: ToAct,
  signal: AbortSignal,
): Promise<Acted> {
  const { cluster, revisions, reportTemplate, now } = actors
  const { instance, template } = observed
  const children = instance.status?.children ?? []
  const nothing: Acted = { children, writes: [], failures: [], converged: false }
  switch (decision.kind) {
    case 'look': {
      const acted = await followLockdown(actors, { observed, decision, acted: nothing }, signal)
      return removeOwnPolicy(cluster, { observed, acted }, signal)
    }
    case 'hold':
      return followLockdown(actors, { observed, decision, acted: nothing }, signal)
    case 'leave': {
      const left = { ...nothing, children: children.map(child => withoutPastRepairs(child, now())) }
      return followLockdown(actors, { observed, decision, acted: left }, signal)
    }
    case 'expire': {
      const end = { at: decision.at, credits: observed.clock.credits }
      const ended = await expire(cluster, instance, end, signal)
      return ended === 'overtaken' ? { ...nothing, overtaken: true } : nothing
    }
    case 'converge': {
      const { desired, source } = decision
      const recheck = rechecksShared(pass)
      let lacks: OperatorError | undefined
      try {
        ;[lacks] = await Promise.all([
          ensurePlace(actors, { observed, decision, recheck }, signal),
          keepTemplate(revisions, { instance, source, recheck }, signal),
          ...(source.exists && template.kind === 'read' ? [reportTemplate(template.template, signal)] : []),
        ])
      } catch (thrown) {
        // No workload starts without its policies. What runs already is left as it is.
        return { ...nothing, failures: [operatorError(thrown)] }
      }
      signal.throwIfAborted()
      const { deployment } = observed
      const { exposure } = desired
      const uncopied = await copyTlsSecret(actors.ensureCopiedSecret, { exposure, recheck }, signal)
      const converged = await converge(
        cluster,
        { observed, desired: desired.children, now: now(), ignorePauses: repairsAtOnce(pass) },
        signal,
      )
      const tried = await tryRefusedPodsAgain(
        cluster,
        { deployment, pass, converged: withUncopied(converged, uncopied) },
        signal,
      )
      return removeOwnPolicy(cluster, { observed, acted: { ...tried, converged: true, lacks } }, signal)
    }
  }
}

/** Closes the policy of an instance's own for a lockdown, or opens it again, where nothing else is applied. */
async function followLockdown(
  { cluster, now }: Pick<Actors, 'cluster' | 'now'>,
  { observed, decision, acted }: Pick<ToAct, 'observed' | 'decision'> & { acted: Acted },
  signal: AbortSignal,
): Promise<Acted> {
  const desired = decision.kind === 'expire' ? undefined : decision.ownPolicy
  if (desired === undefined) return acted
  const toApply = { observed, desired, now: now(), ignorePauses: true }
  const { key, child, write, failure } = await applyChild(cluster, toApply, signal)
  return {
    ...acted,
    children: acted.children.flatMap(each => (childKey(each) === key ? (child ?? []) : each)),
    writes: write ? [write] : [],
    failures: failure ? [failure] : [],
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

/** The namespace comes first: where its default-deny policy is missing, the shared one is missing as well. */
async function ensurePlace(
  { ensureNamespace, ensureSharedPolicy }: Actors,
  { observed, decision, recheck }: { observed: Observed; decision: Converging; recheck: boolean },
  signal: AbortSignal,
): Promise<OperatorError | undefined> {
  const { desired, source } = decision
  const checks = namespaceChecks(observed, decision, recheck)
  const lacks = await ensureNamespace(placedBy(observed.instance, decision), checks, signal)
  const { uid: templateUid } = source.template.metadata
  const options = { templateUid, recheck: checks.recheck }
  if (desired.sharedPolicy) await ensureSharedPolicy(desired.sharedPolicy, options, signal)
  return lacks
}

/** Removes the policy of an instance's own, once its pods are selected by a shared one. */
async function removeOwnPolicy(
  cluster: Cluster,
  { observed, acted }: { observed: Observed; acted: Acted },
  signal: AbortSignal,
): Promise<Acted> {
  const { children, writes, failures } = acted
  const child = unneededOwnPolicy(observed, children)
  if (child === undefined) return acted
  const removed = await prune(cluster, { child, instance: observed.instance }, signal)
  const isLeft = (each: Child) => childKey(each) !== removed.key || removed.failure !== undefined
  return {
    ...acted,
    children: children.filter(isLeft),
    writes: [...writes, ...(removed.write ? [removed.write] : [])],
    failures: [...failures, ...(removed.failure ? [removed.failure] : [])],
  }
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
