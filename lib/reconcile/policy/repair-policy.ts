import { clockStamp } from '../../clock/version.ts'
import type { OperatorConfig } from '../../config/operator.ts'
import type { ChallengeInstance } from '../../crd/challenge-instance.ts'
import type { ChallengeTemplate } from '../../crd/challenge-template.ts'
import { apiVersion, defaultDenyName } from '../../crd/group.ts'
import type { Named, NetworkPolicy } from '../../crd/objects.ts'
import { policyName } from '../../desired/identity.ts'
import { defaultDeny } from '../../desired/objects/default-deny.ts'
import { sharedPolicy } from '../../desired/objects/network-policy.ts'
import { type PolicyRules, policyRules } from '../../desired/policy-rules.ts'
import type { Cluster } from '../../kubernetes/cluster.ts'
import type { ChangeMessage } from '../../messages.ts'
import { rulesOf } from '../../observed/policy-rules.ts'
import type { Log } from '../../telemetry/log.ts'
import { createClockReader } from '../clock/reader.ts'
import { createRevisions, type Revisions } from '../template/revisions.ts'
import { putPolicy } from './put-policy.ts'

/** A policy that instances share and that is absent or changed, and an instance that needs it. */
export type WrongPolicy = Pick<ChangeMessage, 'namespace' | 'name' | 'neededBy' | 'clock' | 'at'>

export type RepairPolicy = (wrong: WrongPolicy, signal: AbortSignal) => Promise<void>

interface Parts {
  cluster: Cluster
  config: OperatorConfig
  now: () => number
  log: Log
}

/**
 * Creates the step that puts back a policy that instances share. No instance has a pass for it.
 *
 * The content follows from the rules of the policy, the present configuration, and whether there is a lockdown. The annotation of the policy keeps
 * the rules. If the policy is gone, or somebody has changed the annotation, they follow from the template of an instance
 * that needs the policy. Rules of another name are never used.
 */
export function createRepairPolicy({ cluster, config, now, log }: Parts): RepairPolicy {
  const revisions = createRevisions({ cluster, now, log })
  const readClock = createClockReader({ cluster, namespace: config.leaseNamespace, now })

  async function wanted(wrong: WrongPolicy, signal: AbortSignal): Promise<Named<NetworkPolicy> | undefined> {
    const { namespace, name } = wrong
    if (name === defaultDenyName) return defaultDeny(namespace)
    const reference = { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', namespace, name }
    const found = await cluster.get<NetworkPolicy>(reference, signal)
    const rules = (found && rulesOf(found)) ?? (await rulesOfInstance({ cluster, revisions }, wrong, signal))
    const { lockdown } = await readClock(clockStamp(wrong), signal)
    return rules && sharedPolicy(namespace, rules, { ...config, lockdown })
  }

  return async (wrong, signal) => {
    const { namespace, name, neededBy } = wrong
    const policy = await wanted(wrong, signal)
    if (policy === undefined) {
      log.warn('rules of a policy not found', { namespace, policy: name, neededBy })
      return
    }
    const result = await putPolicy(cluster, policy, signal)
    if (result !== 'unchanged') log.info('policy put back', { namespace, policy: name, result })
  }
}

/** @returns undefined if the template of the instance does not lead to a policy of this name */
async function rulesOfInstance(
  { cluster, revisions }: { cluster: Cluster; revisions: Revisions },
  { name, neededBy }: WrongPolicy,
  signal: AbortSignal,
): Promise<PolicyRules | undefined> {
  if (neededBy === undefined) return undefined
  const instance = await cluster.get<ChallengeInstance>(
    { apiVersion, kind: 'ChallengeInstance', ...neededBy },
    signal,
  )
  if (instance === undefined) return undefined
  const { namespace } = instance.metadata
  const revision = instance.status?.template?.revision
  const kept =
    revision === undefined ? undefined : await revisions.read({ namespace, name: revision }, signal)
  const reference = { apiVersion, kind: 'ChallengeTemplate', namespace, name: instance.spec.templateRef }
  const template = kept ?? (await cluster.get<ChallengeTemplate>(reference, signal))
  const rules = template && policyRules(template.spec)
  return rules && policyName(rules) === name ? rules : undefined
}
