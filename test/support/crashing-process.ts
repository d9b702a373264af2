import type { KubernetesClient } from '../../lib/kubernetes/client/http.ts'
import type { Store } from '../../lib/store/store.ts'

/** Ends every call of a process that has crashed. No code handles this error. */
export class ProcessCrashed extends Error {
  constructor() {
    super('the process has crashed')
  }
}

/** A process that crashes at one of its writes. After that none of its calls arrives. */
export interface CrashingProcess {
  client: KubernetesClient
  store: Store
  /** Its writes to API server and database, in order. */
  readonly writes: string[]
  readonly crashed: boolean
}

/**
 * Wraps the client and the store of one process.
 * @param crashesAtWrite number of the write, from 1, that arrives without its answer; writes sent beside it arrive too
 * @param earlier number of writes of earlier processes
 */
export function crashingProcess(
  parts: { client: KubernetesClient; store: Store },
  crashesAtWrite: number,
  earlier: number,
): CrashingProcess {
  const writes: string[] = []
  let count = earlier
  let crashed = false
  const requireAlive = () => {
    if (crashed) throw new ProcessCrashed()
  }
  const write = async <T>(what: string, run: () => Promise<T>): Promise<T> => {
    requireAlive()
    count += 1
    writes.push(what)
    if (count === crashesAtWrite) crashed = true
    const result = await run()
    requireAlive()
    return result
  }
  const { client, store } = parts
  return {
    writes,
    get crashed() {
      return crashed
    },
    client: {
      ...client,
      async request(method, path, request, signal) {
        const call = () => client.request(method, path, request, signal)
        if (method !== 'GET') return write(`${method} ${path}`, call)
        requireAlive()
        const answer = await call()
        requireAlive()
        return answer
      },
    },
    store: {
      ...store,
      record: (record, signal) => write('record', () => store.record(record, signal)),
      admit: (request, signal) => write('admit', () => store.admit(request, signal)),
      claimHost: (claim, signal) => write('claimHost', () => store.claimHost(claim, signal)),
      releaseHost: (instance, signal) => write('releaseHost', () => store.releaseHost(instance, signal)),
      reopen: (record, signal) => write('reopen', () => store.reopen(record, signal)),
      close: (uid, why, signal) => write('close', () => store.close(uid, why, signal)),
      closeGone: (instance, signal) => write('closeGone', () => store.closeGone(instance, signal)),
    },
  }
}
