import type { KubernetesClient } from '../../lib/kubernetes/client/http.ts'
import type { Store } from '../../lib/store/store.ts'

/** What the caller of a dead process's call gets: nothing, which here is an error that no code knows. */
export class Killed extends Error {
  constructor() {
    super('the process was killed')
  }
}

/** One process, which dies at one of its writes: from then on no call of it reaches anybody. */
export interface CrashingProcess {
  client: KubernetesClient
  store: Store
  /** What it wrote, to API server and database, in order. */
  readonly log: string[]
  readonly dead: boolean
}

/**
 * @param crashesAtWrite counted from 1: that write still arrives, its answer does not; what was sent beside it is sent
 * @param earlier writes that count before the first one here
 */
export function crashingProcess(
  parts: { client: KubernetesClient; store: Store },
  crashesAtWrite: number,
  earlier: number,
): CrashingProcess {
  const log: string[] = []
  let writes = earlier
  let dead = false
  const live = () => {
    if (dead) throw new Killed()
  }
  const write = async <T>(what: string, run: () => Promise<T>): Promise<T> => {
    live()
    writes += 1
    log.push(what)
    if (writes === crashesAtWrite) dead = true
    const result = await run()
    live()
    return result
  }
  const { client, store } = parts
  return {
    log,
    get dead() {
      return dead
    },
    client: {
      ...client,
      async request(method, path, request, signal) {
        const call = () => client.request(method, path, request, signal)
        if (method !== 'GET') return write(`${method} ${path}`, call)
        live()
        const answer = await call()
        live()
        return answer
      },
    },
    store: {
      ...store,
      record: (record, signal) => write('record', () => store.record(record, signal)),
      close: (uid, why, signal) => write('close', () => store.close(uid, why, signal)),
    },
  }
}
