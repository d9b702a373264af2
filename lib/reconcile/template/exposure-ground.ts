import { remember } from '../../bounded-cache.ts'
import type { OperatorConfig } from '../../config/operator.ts'
import type { ChallengeInstance } from '../../crd/challenge-instance.ts'
import type { KnownTemplate } from '../../crd/challenge-template.ts'
import { gatewayKind } from '../../crd/child-kinds.ts'
import type { Gateway, KubernetesObject, ObjectReference, Stored } from '../../crd/objects.ts'
import { exposingType, hasHost, isRoute } from '../../desired/exposure/exposing-type.ts'
import { type ExposureGround, noGround } from '../../desired/exposure/exposure.ts'
import { exposureHost } from '../../desired/exposure/host.ts'
import { workloadNamespace } from '../../desired/identity.ts'
import { templateProblem } from '../../desired/validation/template-problems.ts'
import { operatorError } from '../../errors.ts'
import type { Cluster } from '../../kubernetes/cluster.ts'
import { parseTime } from '../../lifetime.ts'
import type { InstanceKey } from '../../messages.ts'
import type { Store } from '../../store/store.ts'
import type { Log } from '../../telemetry/log.ts'
import { claimHost } from '../act/claim-host.ts'
import { answersForceSync, rechecksRow } from '../pass/causes.ts'
import { databaseShareMs } from '../pass/database-share.ts'
import type { Pass } from '../pass/outcome.ts'
import { createCertificateGround } from './certificate-ground.ts'

/** What the exposure of an instance depends on besides its template. */
export interface ExposureReading {
  ground: ExposureGround
  /** The host of this template was asked for, if it has one, so no other template of the pass may ask for its own. */
  asked: boolean
  /** Other instances that have to look again, see `HostClaims`. */
  wakes: readonly InstanceKey[]
}

export interface ExposureQuestion {
  instance: Stored<ChallengeInstance>
  template: KnownTemplate
  pass: Pick<Pass, 'causes' | 'waits' | 'at'>
  /** An instance has one host, so a pass asks for that of one template only. */
  mayAsk: boolean
}

export type ReadExposureGround = (question: ExposureQuestion, signal: AbortSignal) => Promise<ExposureReading>

/**
 * How long an object of the cluster that many instances depend on is taken as it was read, in milliseconds. A burst of
 * passes shares the reads. What was read before the message of a pass was sent does not count: the message may be about a
 * change of that object.
 */
const trustMs = 1_000

/** IngressClasses and Gateways are configured, so there is one of each kind. */
const memoryLimit = 10

export interface GroundDependencies {
  cluster: Cluster
  store: Store
  config: OperatorConfig
  /** Epoch milliseconds. */
  now: () => number
  log: Log
}

/**
 * Creates what finds out about the exposure of an instance: it claims the host in the database, and asks whether the cluster
 * has what the configuration names. An instance that is not exposed costs nothing.
 */
export function createExposureGround(deps: GroundDependencies): ReadExposureGround {
  const { cluster, config, now } = deps
  const certificateGround = createCertificateGround(deps)
  const known = new Map<string, { found: Promise<KubernetesObject | undefined>; readAt: number }>()

  /** Callers at the same time share one read. A read that failed is repeated by the next caller. */
  function read(
    reference: ObjectReference,
    sentAt: number,
    signal: AbortSignal,
  ): Promise<KubernetesObject | undefined> {
    const key = `${reference.kind}/${reference.name}`
    const before = known.get(key)
    if (before && before.readAt >= sentAt && now() < before.readAt + trustMs) return before.found
    const found = cluster.get<KubernetesObject>(reference, signal)
    remember(known, memoryLimit, key, { found, readAt: now() })
    found.catch(() => known.delete(key))
    return found
  }

  async function byIngress(
    { instance, template, pass }: ExposureQuestion,
    sentAt: number,
    signal: AbortSignal,
  ): Promise<Partial<ExposureGround>> {
    const name = config.exposure.ingressClass
    if (name === undefined) return {}
    const reference = { apiVersion: 'networking.k8s.io/v1', kind: 'IngressClass', name }
    const { placement = config.placement.byDefault } = template.spec
    const namespace = workloadNamespace(instance, placement, config.placement)
    const [found, certificate] = await Promise.all([
      read(reference, sentAt, signal),
      certificateGround({ namespace, recheck: answersForceSync(pass) }, signal),
    ])
    return { ingressClass: found ? 'exists' : 'missing', certificate }
  }

  async function byRoute(
    kind: 'HTTPRoute' | 'TLSRoute',
    sentAt: number,
    signal: AbortSignal,
  ): Promise<Partial<ExposureGround>> {
    const { gateway } = config.exposure
    if (gateway === undefined) return {}
    const { namespace, name } = gateway
    const [served, found] = await Promise.all([
      cluster.servedKinds(signal),
      read({ ...gatewayKind, namespace, name }, sentAt, signal),
    ])
    const { listeners = [] } = (found as Gateway | undefined)?.spec ?? {}
    return { routeVersion: served.get(kind), gateway: found ? { listeners } : 'missing' }
  }

  async function groundOf(question: ExposureQuestion, signal: AbortSignal): Promise<Partial<ExposureGround>> {
    const type = exposingType(question.template.spec)
    const sentAt = parseTime(question.pass.at) ?? now()
    if (type === 'Ingress') return byIngress(question, sentAt, signal)
    return type !== undefined && isRoute(type) ? byRoute(type, sentAt, signal) : {}
  }

  return async (question, signal) => {
    const { instance, template, pass, mayAsk } = question
    const { spec } = template
    const asked = mayAsk && templateProblem(template, config) === undefined
    if (!hasHost(spec))
      return { ground: noGround, asked, wakes: asked ? await release(deps, instance, pass, signal) : [] }
    const host = exposureHost(instance, spec, config)
    const [claim, ground] = await Promise.all([
      asked && typeof host === 'string' ? claimed(deps, { instance, pass, host }, signal) : unclaimed,
      groundOf(question, signal),
    ])
    return { ground: { ...noGround, ...ground, claim: claim.kind }, asked, wakes: claim.wakes }
  }
}

const unclaimed = { kind: 'unknown', wakes: [] } as const

/** Asks the database for the host. A host that the status has as claimed is asked for only when the row is compared, too. */
async function claimed(
  deps: GroundDependencies,
  { instance, pass, host }: Pick<ExposureQuestion, 'instance' | 'pass'> & { host: string },
  signal: AbortSignal,
) {
  if (instance.status?.exposure?.host === host && !rechecksRow(pass))
    return { kind: 'held', wakes: [] } as const
  return claimHost(deps, instance, host, pass, signal)
}

/** Gives up the host that the instance had. The database gives it up with the row at the latest, so a failure is only logged. */
async function release(
  { cluster, store, log }: GroundDependencies,
  { metadata, status }: Stored<ChallengeInstance>,
  { waits }: Pick<Pass, 'waits'>,
  signal: AbortSignal,
): Promise<readonly InstanceKey[]> {
  if (status?.exposure?.host === undefined) return []
  const { namespace, name, uid } = metadata
  try {
    const share = AbortSignal.any([signal, AbortSignal.timeout(databaseShareMs(waits))])
    return (await store.releaseHost({ uid, cluster: await cluster.uid(signal) }, share)).wakes
  } catch (thrown) {
    signal.throwIfAborted()
    log.warn('host not released', { namespace, name, uid, error: operatorError(thrown) })
    return []
  }
}
