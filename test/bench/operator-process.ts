import { parseOperatorConfig } from '../../lib/config/operator.ts'
import { openClient } from '../../lib/kubernetes/client/client.ts'
import type { KubernetesClient } from '../../lib/kubernetes/client/http.ts'
import { userAgentOf } from '../../lib/kubernetes/client/user-agent.ts'
import { openLogger } from '../../lib/telemetry/logger.ts'
import { composeOperator } from '../../local/lambda/compose.ts'
import type { ComposedFunction } from '../../local/lambda/composed-functions.ts'
import type { PartAddresses } from '../../local/parts/part-addresses.ts'
import { serve } from './child-side.ts'

export interface OperatorStart {
  env: Record<string, string>
  kubeconfig: string
  addresses: Omit<PartAddresses, 'clientFor'>
  /** The functions that run; undefined: all. */
  functions?: readonly ComposedFunction[]
}

/** A process with the whole operator, composed as for `npm start`, over parts in other processes. */
const stopping = new AbortController()
const clients: KubernetesClient[] = []
let running: Promise<void> = Promise.resolve()

function start({ env, kubeconfig, addresses, functions }: OperatorStart): void {
  const clientFor = (name: string) => {
    const connection = { kind: 'kubeconfig', path: kubeconfig } as const
    const client = openClient({ connection, userAgent: userAgentOf(name) })
    clients.push(client)
    return client
  }
  const log = openLogger({ level: 'warn', service: 'bench' })
  const seams = functions === undefined ? {} : { functions }
  const operator = composeOperator({ clientFor, ...addresses }, parseOperatorConfig(env), log, seams)
  running = operator.run(stopping.signal)
}

serve({ start }, async () => {
  stopping.abort()
  await running
  await Promise.all(clients.map(client => client.close()))
})
