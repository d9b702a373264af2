import type { OperatorConfig } from '../../../lib/config/operator.ts'
import { annotations } from '../../../lib/crd/group.ts'
import type { Check, Finding } from '../../../lib/doctor/check.ts'
import type { KubernetesClient } from '../../../lib/kubernetes/client/http.ts'
import { leaseAccess } from '../../../lib/kubernetes/lease/access.ts'
import { forwarderLease, isForeign, releasedLease } from '../../../lib/kubernetes/lease/record.ts'
import { summaryOf } from '../../../lib/kubernetes/lease/summary.ts'
import { reachCluster } from './check.ts'

type Installed = Pick<OperatorConfig, 'installation' | 'leaseNamespace'>

/** Whether the cluster belongs to this installation, and who leads. */
export function installationCheck(client: KubernetesClient, config: Installed): Check {
  return {
    name: 'installation',
    needs: 'cluster',
    remedy: reachCluster,
    async look(signal): Promise<Finding> {
      const { installation, leaseNamespace } = config
      const lease = await leaseAccess(client, leaseNamespace, forwarderLease).read(signal)
      const { holder, since, version, stack } = summaryOf(lease) ?? {}
      if (isForeign(lease, installation))
        return {
          problem: `the cluster belongs to ${stack}, and this is ${nameOf(installation.stack)}, which writes nothing there`,
          remedy:
            'set OPERATOR_STACK as the owner has it, or run doctor --take-over to make this one the owner',
        }
      const owner =
        stack === undefined
          ? 'no installation has named the cluster its own'
          : `the cluster belongs to ${stack}`
      if (holder === undefined) return { note: `${owner}, and no forwarder leads` }
      return {
        fine: `${owner}; ${holder} of version ${version ?? 'unknown'} leads since ${since ?? 'an unknown time'}`,
      }
    },
  }
}

/**
 * Makes this installation the owner of the cluster, and takes the lead from whoever has it. Functions of the other one stop
 * writing within a minute.
 * @throws Error if this installation has no name, or the Lease is written by another at the same time
 */
export async function takeOver(
  client: KubernetesClient,
  { installation: { stack }, leaseNamespace }: Installed,
  signal: AbortSignal,
): Promise<string> {
  if (stack === undefined) throw new Error('OPERATOR_STACK is not set; an owner needs a name')
  const access = leaseAccess(client, leaseNamespace, forwarderLease)
  for (let tries = 0; tries < takeOverTries; tries++) {
    const lease = await access.read(signal)
    const owner = lease?.metadata.annotations?.[annotations.stack]
    if (lease === undefined) return 'nothing to take over: no forwarder has led in this cluster'
    if (owner === stack) return `nothing to take over: the cluster belongs to ${stack} already`
    const {
      [annotations.stack]: _,
      [annotations.deployedAt]: __,
      ...others
    } = lease.metadata.annotations ?? {}
    const named = { ...others, [annotations.stack]: stack }
    const free = releasedLease(lease, Date.now())
    const written = await access.write(
      { ...free, metadata: { ...free.metadata, annotations: named } },
      signal,
    )
    if (written !== 'conflict') return `the cluster belongs to ${stack} now; before, to ${nameOf(owner)}`
  }
  throw new Error('the Lease changed each time it was written; run doctor --take-over again')
}

/** The holder renews the Lease every five seconds, so a second attempt meets no other write. */
const takeOverTries = 5

function nameOf(stack: string | undefined): string {
  return stack ?? 'an installation without a name'
}
