import type { ChallengeInstance, ChallengeInstanceStatus } from '../../lib/crd/challenge-instance.ts'
import type { ChallengeTemplate } from '../../lib/crd/challenge-template.ts'
import type { KubernetesObject, Stored } from '../../lib/crd/objects.ts'
import { referenceTo } from '../../lib/crd/reference.ts'
import type { Desired } from '../../lib/desired/desired.ts'
import { childVersion } from '../../lib/observed/child-version.ts'
import type { WorkloadVerdict } from '../../lib/observed/workload.ts'
import { withSync } from '../../lib/reconcile/report/conditions.ts'
import { statusOf } from '../../lib/reconcile/report/status.ts'

export interface Applied {
  instance: Stored<ChallengeInstance>
  template: ChallengeTemplate
  desired: Desired
  /** The created children, in the order of `desired.children`. */
  made: readonly Stored<KubernetesObject>[]
  verdict?: WorkloadVerdict
}

/** The status that a pass writes after it has created the children. */
export function appliedStatus({
  instance,
  template,
  desired,
  made,
  verdict,
}: Applied): ChallengeInstanceStatus {
  const now = new Date().toISOString()
  const { namespace, url, endpoints, cpuMillicores, memMb, templateHash } = desired
  const children = made.map((object, index) => ({
    ...referenceTo(object),
    version: childVersion(object),
    hash: desired.children[index]?.hash ?? '',
  }))
  const { uid = '', generation = 0 } = template.metadata
  const status = statusOf(
    {
      instance,
      workload: verdict ? { kind: 'observed', verdict } : { kind: 'none' },
      obstacle: undefined,
      children,
      granted: { namespace, url, endpoints, cpuMillicores, memMb },
      template: { uid, generation, hash: templateHash },
      observesGeneration: true,
      handlesSync: false,
      terminating: false,
    },
    now,
  )
  const synced = { ok: true, reason: undefined, message: '' }
  return withSync(status, instance.metadata.generation ?? 0, synced, now)
}
