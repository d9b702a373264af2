import { hasLimit } from '../config/limits.ts'
import type { OperatorConfig } from '../config/operator.ts'
import { isWorkload } from '../crd/child-kinds.ts'
import { operatorError } from '../errors.ts'
import type { Cluster } from '../kubernetes/cluster.ts'
import type { InstanceKey } from '../messages.ts'
import type { Reason } from '../reasons.ts'
import type { LimitName } from '../store/admission-step.ts'
import type { Admission } from '../store/admissions.ts'
import type { Store } from '../store/store.ts'
import type { Log } from '../telemetry/log.ts'
import type { Decision } from './decide.ts'
import { admissionShareMs } from './pass/database-share.ts'
import type { Observed } from './pass/observation.ts'
import { messageForStatus } from './pass/obstacle.ts'

interface Admitting {
  cluster: Cluster
  store: Pick<Store, 'admit'>
  config: Pick<OperatorConfig, 'limits'>
  log: Log
}

export interface Admitted {
  decision: Decision
  /** Other instances that got room by the same decision of the database. */
  wakes: readonly InstanceKey[]
}

/**
 * Asks the database whether there is room for a workload that is about to start or to wake. Without a limit nothing is
 * asked. While the database is away nobody is admitted, since a wrong yes cannot be taken back. Who runs already is not
 * asked about.
 */
export async function withAdmission(
  { cluster, store, config, log }: Admitting,
  { observed, decision }: { observed: Observed; decision: Decision },
  signal: AbortSignal,
): Promise<Admitted> {
  if (decision.kind !== 'converge' || decision.use.hibernation || holdsRoom(observed))
    return { decision, wakes: [] }
  const { maxInstances } = decision.source.template.spec
  if (maxInstances === undefined && !hasLimit(config.limits)) return { decision, wakes: [] }
  const { metadata, spec, status } = observed.instance
  const { namespace, name, uid } = metadata
  const { expiresAt, availableFrom } = decision
  const leave = (reason: Reason, message: string): Decision => ({
    kind: 'leave',
    obstacle: { reason, message, stalled: false },
    waitsForRoom: true,
    expiresAt,
    availableFrom,
  })
  try {
    const share = AbortSignal.any([signal, AbortSignal.timeout(admissionShareMs)])
    const answer = await store.admit(
      {
        ...{ namespace, name, uid, maxInstances },
        ...{ teamId: spec.owner.teamId, eventId: spec.owner.eventId, template: spec.templateRef },
        cluster: await cluster.uid(signal),
        createdAt: metadata.creationTimestamp,
        woken: (status?.children ?? []).some(isWorkload),
      },
      share,
    )
    const { wakes } = answer
    return answer.admitted ? { decision, wakes } : { decision: leave('Queued', queuedMessage(answer)), wakes }
  } catch (thrown) {
    signal.throwIfAborted()
    const error = operatorError(thrown)
    log.warn('not known whether there is room', { namespace, name, uid, error })
    const why = error.reason === 'Internal' ? messageForStatus(error) : `${error.message}.`
    return { decision: leave(error.reason, `It is not known whether there is room: ${why}`), wakes: [] }
  }
}

/**
 * A workload at zero holds no room, also if the status does not say so: the pass that hibernated it may have ended between
 * the row, which gave the room away, and the status.
 */
function holdsRoom({ instance, deployment }: Observed): boolean {
  const { children = [], hibernation } = instance.status ?? {}
  return children.some(isWorkload) && hibernation === undefined && deployment?.spec?.replicas !== 0
}

const owners: Record<LimitName, string> = {
  team: 'This team has',
  template: 'This challenge has',
  event: 'This event has',
  cluster: 'The cluster has',
}

/**
 * Says which limit leaves no room, and what frees some. It is renewed whenever the instance asks again, five minutes later
 * at most.
 */
function queuedMessage({ full, incomplete = false }: Exclude<Admission, { admitted: true }>): string {
  if (incomplete)
    return (
      'The database does not know all instances that run yet. Nobody under a limit starts before it does, for a minute or two ' +
      'and twenty at most. This one then starts by itself in its turn.'
    )
  if (full === undefined)
    return 'Others go first: they were woken, their teams hold less, or they have waited for longer. This one starts by itself in its turn.'
  const { name, limit } = full
  return (
    `${owners[name]} ${limit === 1 ? 'one instance' : `${limit} instances`}, as many as are allowed. This one starts by ` +
    'itself when one of them ends or is hibernated, in its turn.'
  )
}
