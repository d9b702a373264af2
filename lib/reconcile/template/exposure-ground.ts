import { remember } from '../../bounded-cache.ts'
import type { OperatorConfig } from '../../config/operator.ts'
import type { ChallengeInstance } from '../../crd/challenge-instance.ts'
import type { KnownTemplate } from '../../crd/challenge-template.ts'
import type { Stored } from '../../crd/objects.ts'
import { exposingType, hasHost } from '../../desired/exposure/exposing-type.ts'
import { type ExposureGround, noGround } from '../../desired/exposure/exposure.ts'
import { exposureHost } from '../../desired/exposure/host.ts'
import { templateProblem } from '../../desired/validation/template-problems.ts'
import { operatorError } from '../../errors.ts'
import type { Cluster } from '../../kubernetes/cluster.ts'
import type { InstanceKey } from '../../messages.ts'
import type { Store } from '../../store/store.ts'
import type { Log } from '../../telemetry/log.ts'
import { claimHost } from '../act/claim-host.ts'
import { rechecksRow } from '../pass/causes.ts'
import { databaseShareMs } from '../pass/database-share.ts'
import type { Pass } from '../pass/outcome.ts'

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
  pass: Pick<Pass, 'causes' | 'waits'>
  /** An instance has one host, so a pass asks for that of one template only. */
  mayAsk: boolean
}

export type ReadExposureGround = (question: ExposureQuestion, signal: AbortSignal) => Promise<ExposureReading>

/** How long an object of the cluster that many instances depend on is taken as it was read, in milliseconds. */
const trustMs = 15_000

/** The same for an object that was missing: whoever has created it asks for it to be seen. */
const missingTrustMs = 500

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
  const known = new Map<string, { found: Promise<boolean>; until: number }>()

  /** Callers at the same time share one read. A read that failed is repeated by the next caller. */
  function exists(name: string, signal: AbortSignal): Promise<boolean> {
    const before = known.get(name)
    if (before && now() < before.until) return before.found
    const reference = { apiVersion: 'networking.k8s.io/v1', kind: 'IngressClass', name }
    const found = cluster.getMetadata(reference, signal).then(object => object !== undefined)
    remember(known, memoryLimit, name, { found, until: now() + trustMs })
    found.then(
      there => !there && remember(known, memoryLimit, name, { found, until: now() + missingTrustMs }),
      () => known.delete(name),
    )
    return found
  }

  async function ingressClass(signal: AbortSignal): Promise<ExposureGround['ingressClass']> {
    const name = config.exposure.ingressClass
    if (name === undefined) return 'unknown'
    return (await exists(name, signal)) ? 'exists' : 'missing'
  }

  return async ({ instance, template, pass, mayAsk }, signal) => {
    const { spec } = template
    const asked = mayAsk && templateProblem(template, config) === undefined
    if (!hasHost(spec))
      return { ground: noGround, asked, wakes: asked ? await release(deps, instance, pass, signal) : [] }
    const host = exposureHost(instance, spec, config)
    const [claim, className] = await Promise.all([
      asked && typeof host === 'string' ? claimed(deps, { instance, pass, host }, signal) : unclaimed,
      exposingType(spec) === 'Ingress' ? ingressClass(signal) : ('unknown' as const),
    ])
    const ground = { claim: claim.kind, ingressClass: className }
    return { ground, asked, wakes: claim.wakes }
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
