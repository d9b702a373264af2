import type { Check, Finding } from '../../../lib/doctor/check.ts'
import { OperatorError } from '../../../lib/errors.ts'

/** Milliseconds after which a part that does not answer counts as unreachable. */
const checkMs = 10_000

/** Runs a check. What it throws is a problem, with the check's own remedy or that of the error. */
export async function lookAt(check: Check, signal: AbortSignal): Promise<Finding[]> {
  try {
    const limit = AbortSignal.timeout(check.limitMs ?? checkMs)
    return [await check.look(AbortSignal.any([signal, limit]))].flat()
  } catch (thrown) {
    signal.throwIfAborted()
    const problem = thrown instanceof Error ? thrown.message : String(thrown)
    return [{ problem, remedy: remedyOf(thrown) ?? check.remedy }]
  }
}

/** An error of the cluster has the same remedy in every check. */
function remedyOf(thrown: unknown): string | undefined {
  if (!(thrown instanceof OperatorError)) return undefined
  switch (thrown.reason) {
    case 'SchemaOutdated':
      return 'run: npx challenge-operator crds'
    case 'Forbidden':
      return 'log in again, or use a KUBECONFIG whose user has this right'
    case 'ClusterUnavailable':
      return reachCluster
  }
  return undefined
}

export const reachCluster =
  'check KUBECONFIG, its current context, and the network between this machine and the cluster'

/** Seconds. More than the clock of a machine that is kept in step is ever wrong, and less than the forwarder's Lease. */
const skewLimitSeconds = 5

/**
 * Compares the clock of this machine with another one.
 * @param there epoch milliseconds of the other clock at some time between `before` and `after`
 * @param exactMs the other clock tells the time in steps of this length
 */
export function clockFinding(
  whose: string,
  { there, before, after, exactMs }: { there: number; before: number; after: number; exactMs: number },
): Finding {
  const ahead = Math.max(before - there - exactMs, 0)
  const behind = Math.max(there - after, 0)
  const apartMs = Math.max(ahead, behind)
  if (apartMs < skewLimitSeconds * 1_000)
    return { fine: `this machine and ${whose} agree within ${skewLimitSeconds} s` }
  return {
    problem: `the clock of this machine is ${Math.round(apartMs / 1_000)} s ${ahead > behind ? 'ahead of' : 'behind'} that of ${whose}`,
    remedy: 'keep the clocks of all machines in step (NTP): ends, Leases and tokens depend on them',
  }
}
