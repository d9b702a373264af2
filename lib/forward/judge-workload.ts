import type { PodDigest } from '../observed/pod.ts'
import { readyReason, verdictReflected, workloadVerdict } from '../observed/workload.ts'
import type { InstanceDigest } from './instance-digest.ts'
import type { Row } from './row.ts'
import type { Verdict } from './verdict.ts'

/**
 * A serving pod that is merely not ready any more, for no reason yet: its reason or its successor follows at once, and
 * an unready moment is worth no write of its own. A quarter of the two seconds within which trouble must show.
 */
const unreadyMs = 500

/** A Deployment and its pods that amount to something else than the status says. */
export function workloadUnreflected(row: Row, instance: InstanceDigest, now: number): Verdict {
  const recorded = instance.children.find(child => child.kind === 'Deployment')
  if (recorded === undefined) return {}
  const seen = row.dependents.find(each => each.kind === 'Deployment' && each.name === recorded.name)
  if (seen?.deployment === undefined) return {}
  const pods: PodDigest[] = []
  let versions = seen.resourceVersion
  for (const { pod, ownerUid, resourceVersion } of row.dependents) {
    if (pod === undefined || ownerUid !== instance.uid) continue
    pods.push(pod)
    versions += ` ${resourceVersion}`
  }
  const verdict = workloadVerdict(seen.deployment, pods, now)
  const { ready, readyReason: said, phase = '', podName } = instance
  if (verdictReflected({ ready, readyReason: said, phase, podName }, verdict)) return { dueAt: verdict.dueAt }
  const reason = readyReason(verdict)
  const about = `${reason} ${verdict.failed} ${verdict.ready ? verdict.podName : ''}`
  const { uid, resourceVersion } = instance
  const pod = verdict.podName
  const wake = {
    uid,
    cause: pod === undefined ? ('child' as const) : ('pod' as const),
    about,
    version: `${about}@${versions}@${resourceVersion}`,
    resourceVersion,
    holdMs: verdict.ready || verdict.reason !== undefined ? 0 : unreadyMs,
    ...(pod === undefined ? {} : { pod }),
  }
  return { wake, dueAt: verdict.dueAt }
}
