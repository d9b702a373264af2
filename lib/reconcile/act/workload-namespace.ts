import type { OperatorConfig } from '../../config/operator.ts'
import type { ChallengeInstance } from '../../crd/challenge-instance.ts'
import type { ChallengeTemplateSpec, Placement } from '../../crd/challenge-template.ts'
import type { Stored } from '../../crd/objects.ts'
import { copiedSecretName } from '../../desired/identity.ts'
import { namespace as builtNamespace } from '../../desired/objects/namespace.ts'
import { OperatorError } from '../../errors.ts'
import type { Cluster } from '../../kubernetes/cluster.ts'
import { furnish } from '../namespace/furnish.ts'
import { obtainNamespace } from '../namespace/obtain.ts'
import type { EnsureCopiedSecret } from './copied-secrets.ts'
import type { EnsureDefaultDeny } from './default-deny.ts'
import { createTrust } from './trust.ts'

/** The workload of an instance, as far as its namespace depends on it. */
export interface PlacedWorkload {
  instance: Stored<ChallengeInstance>
  namespace: string
  placement: Placement
  spec: Pick<ChallengeTemplateSpec, 'podSecurity' | 'imagePullSecrets'>
}

export interface NamespaceChecks {
  /** Puts back everything that the namespace has once, even if it was ensured a short time ago. */
  recheck: boolean
  /** The instance takes up another template, which may need other labels of its namespace or other pull secrets. */
  changed: boolean
}

/**
 * Makes sure that the namespace of a workload is there, with everything that it has to have before the first child: its
 * Pod Security labels, the default-deny policy, the LimitRange, the quota, and copies of pull secrets.
 *
 * Guarantees: a namespace that the operator did not make for this use is not touched. The mark of an unused namespace is
 * taken off before the first child. The namespace of an event is trusted for less than its grace, and that of one instance
 * is not looked at again while the instance has children in it.
 *
 * A pull secret that does not exist keeps no workload from starting, since a node may have the image, or credentials of
 * its own. Kubernetes starts a pod without it, too.
 *
 * Errors: `PullSecretUnusable` for a pull secret of another type, `NameTaken` for a namespace of somebody else,
 * `NamespaceStuck` while one is being deleted.
 * @returns what the workload may lack
 */
export type EnsureWorkloadNamespace = (
  workload: PlacedWorkload,
  checks: NamespaceChecks,
  signal: AbortSignal,
) => Promise<OperatorError | undefined>

export interface NamespaceGuard {
  cluster: Cluster
  config: Pick<OperatorConfig, 'placement'>
  ensureDefaultDeny: EnsureDefaultDeny
  ensureCopiedSecret: EnsureCopiedSecret
  /** Epoch milliseconds. */
  now: () => number
}

/** The only type of Secrets that kubelets take for pulling images and that is copied. */
const pullSecretType = 'kubernetes.io/dockerconfigjson'

export function createWorkloadNamespaceGuard(guard: NamespaceGuard): EnsureWorkloadNamespace {
  const { cluster, config, ensureDefaultDeny, ensureCopiedSecret, now } = guard
  const settings = config.placement
  const trust = createTrust(now)

  async function copyPullSecrets(
    { instance, namespace, spec }: PlacedWorkload,
    recheck: boolean,
    signal: AbortSignal,
  ): Promise<OperatorError | undefined> {
    const names = spec.imagePullSecrets ?? []
    const copies = names.map(name => {
      const source = { namespace: instance.metadata.namespace, name }
      const copy = { namespace, name: copiedSecretName(source, namespace) }
      const wanted = { source, copy, type: pullSecretType, refusedAs: 'PullSecretUnusable' } as const
      return ensureCopiedSecret(wanted, { recheck }, signal)
    })
    const copied = await Promise.all(copies)
    const missing = names.find((_, index) => copied[index] === 'missing')
    return missing === undefined ? undefined : pullSecretMissing(missing, instance)
  }

  /** @param isFurnished whether the namespace had everything a while ago */
  async function ensure(
    { workload, recheck }: { workload: PlacedWorkload; recheck: boolean },
    isFurnished: (uid: string) => boolean,
    signal: AbortSignal,
  ): Promise<string> {
    const { instance, namespace: name, placement, spec } = workload
    if (placement === 'Shared') throw new Error('a shared namespace is not made by the operator')
    const { eventQuota } = settings
    const wanted = builtNamespace({ name, placement, instance, spec, eventQuota })
    const isNew = placement === 'Instance' && instance.status?.namespace === undefined
    const { uid, made } = await obtainNamespace(cluster, { wanted, isNew }, signal)
    if (made || recheck || !isFurnished(uid))
      await furnish(cluster, { name, placement, settings, made }, signal)
    return uid
  }

  return async (workload, { recheck, changed }, signal) => {
    const { instance, namespace, placement } = workload
    if (placement === 'Shared') {
      await ensureDefaultDeny(namespace, { recheck }, signal)
      return undefined
    }
    const runsThere = instance.status?.children?.some(child => child.namespace === namespace) === true
    if (placement === 'Event')
      await trust(namespace, { recheck }, ensuredUid =>
        ensure({ workload, recheck }, uid => uid === ensuredUid, signal),
      )
    else if (recheck || changed || !runsThere) await ensure({ workload, recheck }, () => runsThere, signal)
    const lacked = instance.status?.reason === 'PullSecretUnusable'
    if (recheck || changed || lacked || !runsThere) return copyPullSecrets(workload, recheck, signal)
    return undefined
  }
}

function pullSecretMissing(name: string, { metadata }: Stored<ChallengeInstance>): OperatorError {
  return new OperatorError(
    'PullSecretUnusable',
    `Secret "${name}" in namespace "${metadata.namespace}" does not exist; imagePullSecrets of the template names it. ` +
      'Create it there.',
  )
}
