import { queueDepth } from '../../lib/aws/queue-check.ts'
import { operatorError } from '../../lib/errors.ts'
import { checkSchema } from '../../lib/kubernetes/install/schema-check.ts'
import { openDatabase } from '../../lib/store/database.ts'
import { examine } from '../../lib/store/examine.ts'
import type { ComposedFunction } from '../lambda/composed-functions.ts'
import type { PartAddresses } from '../parts/part-addresses.ts'

/** `ok`, or the reason why a part cannot be used and a sentence. */
export interface PartStates {
  ready: boolean
  parts: Record<string, string>
}

export interface Readiness {
  look(): Promise<PartStates>
  close(): Promise<void>
}

interface Probe {
  name: string
  /** Without this part the functions do nothing. */
  required: boolean
  look(signal: AbortSignal): Promise<unknown>
}

/** Milliseconds that one part may take to answer. The probes of the manifests wait for 5 s. */
const probeMs = 3_000
/** Milliseconds for which an answer counts, so that whoever asks often costs the parts nothing. */
const keptMs = 5_000

/**
 * Asks the parts whether they can be used. The operator goes on without its database, so an unreachable one is said and
 * makes nothing unready.
 */
export function openReadiness({
  addresses,
  functions,
}: {
  addresses: PartAddresses
  functions: readonly ComposedFunction[]
}): Readiness {
  const { databaseUrl, queues, sqs } = addresses
  const database = openDatabase({ url: databaseUrl, max: 1, applicationName: 'challenge-operator readiness' })
  const caller = functions.find(name => name !== 'timer' && name !== 'publish')
  const probes: Probe[] = [
    ...(caller === undefined ? [] : [clusterProbe(addresses, caller)]),
    ...Object.entries(queues)
      .filter(([, url]) => url !== '')
      .map(([name, url]) => ({
        name: name.replace(/Url$/, ''),
        required: true,
        look: (signal: AbortSignal) => queueDepth(url, sqs, signal),
      })),
    ...(databaseUrl === ''
      ? []
      : [{ name: 'database', required: false, look: (signal: AbortSignal) => examine(database, signal) }]),
  ]
  let kept: { at: number; states: Promise<PartStates> } | undefined
  return {
    look() {
      if (kept === undefined || performance.now() - kept.at > keptMs)
        kept = { at: performance.now(), states: statesOf(probes) }
      return kept.states
    },
    close: () => database.destroy(),
  }
}

function clusterProbe({ clientFor }: PartAddresses, caller: ComposedFunction): Probe {
  return { name: 'cluster', required: true, look: signal => checkSchema(clientFor(caller), signal) }
}

async function statesOf(probes: readonly Probe[]): Promise<PartStates> {
  const limit = AbortSignal.timeout(probeMs)
  const states = await Promise.all(
    probes.map(async ({ name, required, look }) => {
      const problem = await look(limit).then(
        () => undefined,
        thrown => operatorError(thrown),
      )
      const said = problem === undefined ? 'ok' : `${problem.reason}: ${problem.message}`
      return { name, said, fine: problem === undefined || !required }
    }),
  )
  return {
    ready: states.every(({ fine }) => fine),
    parts: Object.fromEntries(states.map(({ name, said }) => [name, said])),
  }
}
