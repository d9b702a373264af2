import { createHash } from 'node:crypto'
import type {
  ChallengeInstance,
  ChallengeInstanceStatus,
  Hibernation,
  Phase,
} from '../../crd/challenge-instance.ts'
import { annotations, finalizer } from '../../crd/group.ts'
import type { Stored } from '../../crd/objects.ts'
import { epochMs } from '../../crd/time.ts'
import { isRoute } from '../../desired/exposure/exposing-type.ts'
import { parseTime } from '../../lifetime.ts'
import { annotatedActivity, isAfter, type UsedInstance } from '../../observed/activity.ts'
import { isAdopting } from '../../observed/adopting.ts'
import { type RecordedConfiguration, recordedConfiguration } from '../../observed/configuration.ts'
import { type PhaseChanges, phaseChangesOf } from '../../observed/flapping.ts'
import { isPaused } from '../../observed/paused.ts'
import type { Repairs } from '../../observed/repairs.ts'
import { isReason } from '../../reason-rules.ts'
import type { Reason } from '../../reasons.ts'
import { type Intern, type NamesNamespaces, namespaceFor } from './intern.ts'
import { isWatchedChild, type Watched } from './targets.ts'

/** An entry of `status.children`. */
export interface RecordedChild {
  kind: string
  namespace: string
  name: string
  version: string
  /** Something else keeps changing the child, so it is repaired with pauses. */
  repairs: Repairs | undefined
  /** If the child is absent from the table, it does not exist. Otherwise its kind is not watched, or not listed yet. */
  isWatched: boolean
}

export interface ExposureDigest {
  /** See `exposureState`. */
  state: string
  /** Players come by a route, whose parent is the Gateway. */
  byRoute: boolean
  /** Why the first Ready waits for the exposure; undefined: it does not. */
  awaitedFor: Reason | undefined
}

/**
 * The fields of an instance that judging needs. The digest with its row, three children and a pod takes 2.1 KB (measured
 * over 10,000), 430 bytes for each object. Times are in epoch milliseconds.
 */
export interface InstanceDigest {
  uid: string
  resourceVersion: string
  generation: number
  /** 0: no pass has acted on the instance. */
  observedGeneration: number
  /** The generation that the newest pass has read. It is ahead of `observedGeneration` during a pause. */
  reportedGeneration: number
  deleting: boolean
  hasFinalizer: boolean
  /** Hash of a `force-sync` annotation that no pass has handled yet; undefined if there is none. */
  syncWanted: string | undefined
  paused: boolean
  /** See `isAdopting`. */
  adopting: boolean
  phase: Phase | undefined
  reason: Reason | undefined
  ready: boolean
  /** Reason of the `Ready` condition. */
  readyReason: string
  /** Message of the `Ready` condition while its reason is `Unschedulable`. */
  unscheduledMessage: string | undefined
  /** Reason of the `Stalled` condition while it is True. */
  stalledReason: string | undefined
  podName: string | undefined
  templateRef: string
  /** The template that a pass considered last. */
  templateUid: string | undefined
  templateGeneration: number
  /** The instance served when it took that template up. */
  served: boolean
  /** What the instance was built with; undefined for an instance of an earlier release. */
  configuration: Pick<RecordedConfiguration, 'settings' | 'served'> | undefined
  expiresAt: number | undefined
  /** `spec.expiresAt`, see `parseTime`. */
  askedEnd: number | undefined
  /** Name of the Secret that keeps the template that is in use. */
  revision: string | undefined
  /** The end that the platform was warned of. */
  warnedOf: number | undefined
  /** Minutes of credits that the reported end includes. */
  creditMinutes: number
  /** By these credits choose. The time of creation is in epoch seconds, since a small integer takes no memory of its own. */
  createdAt: number
  event: number
  team: number
  /** When the template opens that the instance waits for. */
  availableFrom: number | undefined
  /** Why the instance is hibernated; undefined: it is not. */
  hibernation: Hibernation['reason'] | undefined
  /** Activity that the annotation tells and that came after the instance was hibernated for being idle. */
  activityAfterIdle: number | undefined
  /** How often the phase changed of late; undefined: it did not. */
  phaseChanges: PhaseChanges | undefined
  /** What the status says of the exposure; undefined: the instance is not exposed. */
  exposure: ExposureDigest | undefined
  /** The workload has another namespace than the instance. */
  placedElsewhere: boolean
  /** Recorded children of kinds and namespaces that are watched, or will be once the cluster serves the kind. */
  children: readonly RecordedChild[]
}

export interface DigestContext {
  /** The row that the digest is for. */
  row: NamesNamespaces
  watched: Watched
  intern: Intern
  /** Kinds that are not watched, or not listed yet. */
  unserved: ReadonlySet<string>
}

export function instanceDigest(
  { metadata, spec, status }: Stored<ChallengeInstance>,
  { row, watched, intern, unserved }: DigestContext,
): InstanceDigest {
  const condition = (type: string) => status?.conditions?.find(each => each.type === type)
  const ready = condition('Ready')
  const stalled = condition('Stalled')
  const { name, uid, resourceVersion, annotations: userAnnotations = {} } = metadata
  const workloadNamespace = status?.namespace
  const shared = (namespace: string) =>
    namespaceFor(row, namespace === workloadNamespace ? workloadNamespace : namespace)
  return {
    uid,
    resourceVersion,
    generation: metadata.generation ?? 0,
    observedGeneration: status?.observedGeneration ?? 0,
    reportedGeneration: stalled?.observedGeneration ?? status?.observedGeneration ?? 0,
    deleting: metadata.deletionTimestamp !== undefined,
    hasFinalizer: metadata.finalizers?.includes(finalizer) === true,
    syncWanted: syncWanted(userAnnotations[annotations.forceSync], status?.handledSync),
    paused: isPaused(metadata),
    adopting: isAdopting(status),
    phase: status?.phase && (intern(status.phase) as Phase),
    reason: status?.reason && (intern(status.reason) as Reason),
    ready: ready?.status === 'True',
    readyReason: intern(ready?.reason ?? ''),
    unscheduledMessage: ready?.reason === 'Unschedulable' ? intern(ready.message) : undefined,
    stalledReason: stalled?.status === 'True' ? intern(stalled.reason) : undefined,
    podName: status?.podName,
    templateRef: intern(spec.templateRef),
    templateUid: status?.template && intern(status.template.uid),
    templateGeneration: status?.template?.generation ?? 0,
    served: status?.template?.served === true,
    configuration: configurationDigest(status?.configuration, intern),
    expiresAt: epochMs(status?.expiresAt),
    askedEnd: parseTime(spec.expiresAt),
    revision: status?.template?.revision && intern(status.template.revision),
    warnedOf: epochMs(status?.warnedOf),
    creditMinutes: status?.creditMinutes ?? 0,
    createdAt: Math.floor((epochMs(metadata.creationTimestamp) ?? 0) / 1_000),
    event: spec.owner.eventId,
    team: spec.owner.teamId,
    availableFrom: epochMs(status?.availableFrom),
    hibernation: status?.hibernation && (intern(status.hibernation.reason) as Hibernation['reason']),
    activityAfterIdle: activityAfterIdle({ metadata, status }),
    phaseChanges: phaseChangesOf(status),
    exposure: status?.exposure && exposureDigest(status, intern),
    placedElsewhere: status?.namespace !== undefined && status.namespace !== metadata.namespace,
    children: (status?.children ?? [])
      .filter(child => isWatchedChild(child.kind, child.namespace, watched))
      .map(child => ({
        kind: intern(child.kind),
        namespace: shared(child.namespace),
        name: child.name === name ? name : child.name,
        version: child.version,
        repairs: child.repairs,
        isWatched: !unserved.has(child.kind),
      })),
  }
}

/** The annotation matters only while it can wake the instance, so nothing is kept of it otherwise. */
function activityAfterIdle(instance: UsedInstance): number | undefined {
  const { hibernation } = instance.status ?? {}
  if (hibernation?.reason !== 'Idle') return undefined
  const at = annotatedActivity(instance)
  return isAfter(at, epochMs(hibernation.since) ?? 0) ? at : undefined
}

function exposureDigest({ exposure, conditions }: ChallengeInstanceStatus, intern: Intern): ExposureDigest {
  const exposed = conditions?.find(each => each.type === 'Exposed')
  const reason = exposed && isReason(exposed.reason) ? exposed.reason : undefined
  return {
    state: intern(exposure?.state ?? ''),
    byRoute: exposure !== undefined && isRoute(exposure.type),
    awaitedFor: exposure?.awaited && reason ? (intern(reason) as Reason) : undefined,
  }
}

function configurationDigest(text: string | undefined, intern: Intern): InstanceDigest['configuration'] {
  const recorded = recordedConfiguration(text)
  return recorded && { settings: intern(recorded.settings), served: recorded.served }
}

/** Hashes the value, since a user chooses it and it may be long. */
function syncWanted(wanted: string | undefined, handled: string | undefined): string | undefined {
  if (wanted === undefined || wanted === handled) return undefined
  return createHash('sha256').update(wanted).digest('hex').slice(0, 12)
}
