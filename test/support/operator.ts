import type { ChallengeInstance } from '../../lib/crd/challenge-instance.ts'
import { childKinds } from '../../lib/crd/child-kinds.ts'
import { apiVersion } from '../../lib/crd/group.ts'
import type { KubernetesObject } from '../../lib/crd/objects.ts'
import { type Log, silentLog } from '../../lib/telemetry/log.ts'
import { composeOperator, type OperatorSeams } from '../../local/lambda/compose.ts'
import { waitUntil } from '../../local/process/wait.ts'
import { type OperatorParts, type OperatorPartsOptions, openOperatorParts } from './operator-parts.ts'

export { flagSecret, pepper } from './operator-parts.ts'

export interface TestOperator extends Omit<OperatorParts, 'addresses' | 'stop'> {
  stop(): Promise<void>
}

export interface TestOperatorOptions extends OperatorPartsOptions {
  log?: Log
  seams?: OperatorSeams
}

/** A whole operator over the shared parts, in a namespace, database and queues of its own. */
export async function startTestOperator(options: TestOperatorOptions = {}): Promise<TestOperator> {
  const env = { OPERATOR_INTERVAL: '2', OPERATOR_RESYNC_MINUTES: '1', ...options.env }
  const parts = await openOperatorParts({ ...options, env })
  const operator = composeOperator(parts.addresses, parts.config, options.log ?? silentLog, options.seams)
  const running = operator.run(parts.signal)
  return { ...parts, stop: () => parts.stop(running) }
}

/** The reference of a child, a pod or one of the operator's own objects in the operator's namespace. */
export function referenceTo(operator: TestOperator, kind: string, name: string) {
  const known = childKinds.find(each => each.kind === kind)
  const ofCore = ['Pod', 'ConfigMap'].includes(kind) ? 'v1' : undefined
  return { apiVersion: known?.apiVersion ?? ofCore ?? apiVersion, kind, namespace: operator.namespace, name }
}

/** Waits until the object is as wanted. @throws Error with the last state of the object */
export async function eventually<T extends KubernetesObject>(
  operator: TestOperator,
  kind: string,
  name: string,
  isSo: (object: T | undefined) => boolean,
  limitMs = 20_000,
): Promise<T | undefined> {
  let last: T | undefined
  const check = async () => {
    last = await operator.cluster.get<T>(referenceTo(operator, kind, name), operator.signal)
    return isSo(last)
  }
  try {
    await waitUntil(`the wanted state of ${kind} ${name}`, limitMs, check, operator.signal)
  } catch (thrown) {
    const seen = JSON.stringify((last as { status?: unknown } | undefined)?.status ?? last, undefined, 1)
    throw new Error(`${(thrown as Error).message}; it is ${seen}`, { cause: thrown })
  }
  return last
}

/** Waits until the instance has this phase, and this reason or none. */
export async function phaseOf(
  operator: TestOperator,
  name: string,
  phase: string,
  reason?: string,
): Promise<ChallengeInstance> {
  const found = await eventually<ChallengeInstance>(
    operator,
    'ChallengeInstance',
    name,
    instance => instance?.status?.phase === phase && instance.status.reason === reason,
  )
  return found as ChallengeInstance
}
