import { setTimeout as sleep } from 'node:timers/promises'
import { queueDepth } from '../../lib/aws/queue-check.ts'
import type { ChangesQueue } from '../../lib/aws/queue-ports.ts'
import { openQueues } from '../../lib/aws/sqs.ts'
import { parseOperatorConfig } from '../../lib/config/operator.ts'
import { keepHeapSmall } from '../../lib/forward/dispatch/heap.ts'
import { openClient } from '../../lib/kubernetes/client/client.ts'
import type { KubernetesClient } from '../../lib/kubernetes/client/http.ts'
import { userAgentOf } from '../../lib/kubernetes/client/user-agent.ts'
import { type Log, silentLog } from '../../lib/telemetry/log.ts'
import { composeForward } from '../../local/lambda/compose-forward.ts'
import type { PartAddresses } from '../../local/parts/part-addresses.ts'
import { serve, type Usage, usage } from './child-side.ts'

export interface ForwarderStart {
  env: Record<string, string>
  kubeconfig: string
  addresses: Pick<PartAddresses, 'queues' | 'sqs'>
}

export interface Judged {
  /** Milliseconds from the start of watching until the whole table was judged. */
  startMs: number
  rows: number
  judgeMs: number
}

/** A process with only the watch-forwarder, as its function and `challenge-operator forward` run it. */
keepHeapSmall()
const stopping = new AbortController()
let client: KubernetesClient | undefined
let running: Promise<void> = Promise.resolve()
let sent = 0

/** Resolves when the first whole table with rows in it was judged. */
async function start({ env, kubeconfig, addresses }: ForwarderStart): Promise<Judged> {
  // This call loads the SDK, which a forwarder without messages would never load.
  await queueDepth(addresses.queues.changesUrl, addresses.sqs, AbortSignal.timeout(10_000))
  const started = performance.now()
  const queues = openQueues({ ...addresses.queues, clientOptions: addresses.sqs })
  const counted: Pick<ChangesQueue, 'sendBatch'> = {
    sendBatch(changes, signal) {
      sent += changes.length
      return queues.changes.sendBatch(changes, signal)
    },
  }
  const connection = { kind: 'kubeconfig', path: kubeconfig } as const
  client = openClient({ connection, userAgent: userAgentOf('watch-forwarder') })
  const open = client
  return new Promise((resolve, reject) => {
    const log: Log = {
      ...silentLog,
      warn: complain,
      error: complain,
      info(message, fields = {}) {
        if (message !== 'whole table judged') return
        const { rows, milliseconds } = fields as { rows: number; milliseconds: number }
        resolve({ startMs: performance.now() - started, rows, judgeMs: milliseconds })
      },
    }
    const config = parseOperatorConfig(env)
    running = composeForward({ client: open, changes: counted, config, log })(stopping.signal)
    running.catch(reject)
  })
}

function complain(message: string, fields?: Record<string, unknown>): void {
  process.stderr.write(`forwarder: ${message} ${JSON.stringify(fields ?? {})}\n`)
}

/** Measures the memory after three collections and the time that V8 takes to return memory. */
async function usageWhenQuiet(): Promise<Usage & { sent: number }> {
  for (let times = 0; times < 3; times++) {
    globalThis.gc?.()
    await sleep(1_000)
  }
  return { ...usage(), sent }
}

serve({ start, usageWhenQuiet }, async () => {
  stopping.abort()
  await running
  await client?.close()
})
