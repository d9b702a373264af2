import { heldByExposure } from '../../observed/exposure.ts'
import { phaseHeldUntil } from '../../observed/flapping.ts'
import type { PodDigest } from '../../observed/pod.ts'
import { readyReason, verdictReflected, workloadVerdict } from '../../observed/workload.ts'
import type { InstanceDigest } from '../table/instance-digest.ts'
import type { Row } from '../table/row.ts'
import type { Verdict, Wake } from './verdict.ts'

/**
 * Milliseconds. A serving pod became unready, and no reason is known yet. Its reason or its successor follows at once,
 * so the moment between is not worth a status write. A quarter of the two seconds within which trouble must show.
 */
const unreadyMs = 500

/** Finds a Deployment whose pods amount to something else than the status reports. */
export function workloadUnreflected(row: Row, instance: InstanceDigest, now: number): Verdict {
  const recorded = instance.children.find(child => child.kind === 'Deployment')
  if (recorded === undefined) return {}
  const seen = row.dependents.find(each => each.kind === 'Deployment' && each.name === recorded.name)
  if (seen?.deployment === undefined) return {}
  // Passes that come meanwhile would tell nothing. The first one afterwards tells the phase as it is then.
  const heldUntil = instance.phaseChanges && phaseHeldUntil(instance.phaseChanges)
  if (heldUntil !== undefined && now < heldUntil) return { dueAt: heldUntil }
  const pods: PodDigest[] = []
  const readVersions = [seen.resourceVersion]
  for (const { pod, ownerUid, resourceVersion } of row.dependents) {
    if (pod === undefined || ownerUid !== instance.uid) continue
    pods.push(pod)
    readVersions.push(resourceVersion)
  }
  const awaited = instance.exposure?.awaitedFor
  const verdict = heldByExposure(
    workloadVerdict(seen.deployment, pods, now, instance.hibernation),
    awaited && { reason: awaited, message: '' },
  )
  const { dueAt, failed, podName, ready } = verdict
  const reported = {
    ready: instance.ready,
    readyReason: instance.readyReason,
    phase: instance.phase,
    podName: instance.podName,
    unscheduledMessage: instance.unscheduledMessage,
  }
  const calmed = instance.reason === 'Flapping'
  if (!calmed && verdictReflected(reported, verdict)) return { dueAt }
  const { uid, resourceVersion } = instance
  const servingPod = ready ? podName : undefined
  const wake: Wake = {
    uid,
    cause: podName === undefined ? 'child' : 'pod',
    mismatch: { kind: 'workload', reason: readyReason(verdict), failed, servingPod },
    readVersions: [...readVersions, resourceVersion],
    resourceVersion,
    delayMs: calmed || ready || verdict.reason !== undefined ? 0 : unreadyMs,
    ...(podName === undefined ? {} : { pod: podName }),
  }
  return { wake, dueAt }
}
