import type { KubernetesClient } from '../../lib/kubernetes/client.ts'
import type { Store } from '../../lib/store/store.ts'

/** What the caller of a dead process's call gets: nothing, which here is an error that no code knows. */
export class Killed extends Error {
  constructor() {
    super('the process was killed')
  }
}

/** One process, which dies at one of its writes: from then on no call of it reaches anybody. */
export interface Mortal {
  client: KubernetesClient
  store: Store
  /** Writes so far, API server and database together. */
  readonly writes: number
  /** What the writes were, in order. */
  readonly log: string[]
  readonly dead: boolean
}

export interface Death {
  /** Counted from 1; absent: it lives. */
  atWrite?: number
  /** Whether that write still arrives, and only its answer is lost. */
  arrives: boolean
}

/** `earlier`: writes that count before the first one here. */
export function mortal(
  parts: { client: KubernetesClient; store: Store },
  { atWrite = Number.POSITIVE_INFINITY, arrives }: Death,
  earlier = 0,
): Mortal {
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
    if (writes === atWrite && !arrives) dead = true
    live()
    const last = writes === atWrite
    // Whatever was sent before has been sent; whatever comes after is not.
    if (last) dead = true
    const result = await run()
    live()
    return result
  }
  const { client, store } = parts
  return {
    log,
    get writes() {
      return writes
    },
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
