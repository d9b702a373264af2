import { openEventRecorder } from '../../lib/kubernetes/event-recorder.ts'
import { openCluster } from '../../lib/kubernetes/open-cluster.ts'
import type { InstanceKey } from '../../lib/messages.ts'
import type { Pass, PassResult } from '../../lib/reconcile/pass/outcome.ts'
import { createReconcile } from '../../lib/reconcile/reconcile.ts'
import type { Store } from '../../lib/store/store.ts'
import { silentLog } from '../../lib/telemetry/log.ts'
import { crashingProcess } from './crashing-process.ts'
import type { TestOperator } from './operator.ts'

/** The pass that one message about an instance starts. */
export function passOf(
  { namespace, name, uid }: InstanceKey,
  parts: Pick<Pass, 'causes'> & Partial<Pass>,
): Pass {
  return {
    namespace,
    name,
    uids: [uid],
    pod: undefined,
    workloadNamespaces: [],
    attempt: 0,
    waits: 0,
    held: undefined,
    trace: undefined,
    at: new Date().toISOString(),
    resourceVersion: '',
    ...parts,
  }
}

/**
 * Makes a pass in a process of its own, which crashes at one of its writes.
 * @param earlier number of writes of earlier processes, see `crashingProcess`
 * @returns `result`: undefined after a crash
 */
export async function passInProcess(
  operator: TestOperator & { store: Store },
  pass: Pass,
  { crashesAtWrite, earlier }: { crashesAtWrite: number; earlier: number },
): Promise<{ result: PassResult | undefined; writes: readonly string[] }> {
  const { signal, config } = operator
  const client = operator.clientFor('reconcile')
  const process = crashingProcess({ client, store: operator.store }, crashesAtWrite, earlier)
  const reconcile = createReconcile({
    cluster: openCluster(process.client),
    store: process.store,
    recorder: openEventRecorder(client, 'reconcile', silentLog),
    config,
    now: Date.now,
    reached: Date.now,
    random: Math.random,
    log: silentLog,
  })
  const ended = await reconcile(pass, AbortSignal.any([signal, AbortSignal.timeout(30_000)])).catch(
    thrown => {
      if (!process.crashed) throw thrown
    },
  )
  return { result: process.crashed ? undefined : (ended ?? undefined), writes: process.writes }
}
