import { openClient } from '../../lib/kubernetes/client/client.ts'
import { userAgentOf } from '../../lib/kubernetes/client/user-agent.ts'
import { externalParts, externalSecrets } from './external-parts.ts'
import {
  openBusPart,
  openClusterPart,
  openDatabasePart,
  openQueuesPart,
  type Part,
  type PartsOptions,
} from './open-part.ts'
import type { PartAddresses } from './part-addresses.ts'

/** The parts of one run, external ones and those that were started. */
export interface Parts {
  addresses: PartAddresses
  /** Which of these parts were started here. */
  embedded: { cluster: boolean; database: boolean }
  /** The content of `.local/env`. */
  variables: Record<string, string>
  /** Folder with kubectl and the other programs of a started cluster. */
  programs: string | undefined
  /** Rejects when a part that was started ends on its own. */
  died: Promise<never>
  /** Stops what was started here. Prints a part that cannot be stopped, and stops the others. */
  stop(): Promise<void>
}

/** Uses the external parts and starts the others, all at once. If one cannot start, those that did are stopped again. */
export async function openParts(options: PartsOptions, signal: AbortSignal): Promise<Parts> {
  const external = externalParts(options.env)
  const started: Part<unknown>[] = []
  const keep = async <T>(opening: Promise<Part<T>>): Promise<Part<T>> => {
    const part = await opening
    started.push(part)
    return part
  }
  const opening = [
    keep(openClusterPart(external, options, signal)),
    keep(openDatabasePart(external, options, signal)),
    keep(openQueuesPart(external, options, signal)),
    keep(openBusPart(external, options)),
  ] as const
  const stop = async () => {
    const results = await Promise.allSettled(started.map(part => part.stop()))
    for (const result of results)
      if (result.status === 'rejected') options.print(`a part could not be stopped: ${result.reason}`)
  }
  try {
    const [cluster, database, queues, bus] = await Promise.all(opening)
    const clients = new Map<string, ReturnType<typeof openClient>>()
    const clientFor = (name: string) => {
      const userAgent = userAgentOf(name)
      const client = clients.get(name) ?? openClient({ connection: cluster.value, userAgent })
      clients.set(name, client)
      return client
    }
    const died = Promise.race(started.flatMap(part => part.died ?? []))
    died.catch(() => {})
    return {
      addresses: {
        clientFor,
        databaseUrl: database.value,
        queues: queues.value.urls,
        sqs: queues.value.client,
        bus: bus.value,
        readSecret: externalSecrets(options.env).read,
      },
      embedded: { cluster: external.cluster === undefined, database: external.databaseUrl === undefined },
      variables: Object.assign({}, ...started.map(part => part.variables)),
      programs: cluster.programs,
      died,
      async stop() {
        await Promise.allSettled([...clients.values()].map(client => client.close()))
        await stop()
      },
    }
  } catch (thrown) {
    await Promise.allSettled(opening)
    await stop()
    throw thrown
  }
}
