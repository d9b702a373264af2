import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { openQueues } from '../../lib/aws/sqs.ts'
import { parseOperatorConfig } from '../../lib/config/operator.ts'
import { openClient } from '../../lib/kubernetes/client/client.ts'
import type { LeaseTimes } from '../../lib/kubernetes/lease/record.ts'
import { silentLog } from '../../lib/telemetry/log.ts'
import { composeForward } from '../../local/lambda/compose-forward.ts'
import type { PartAddresses } from '../../local/parts/part-addresses.ts'

interface Start {
  env: Record<string, string>
  kubeconfig: string
  queues: PartAddresses['queues']
  sqs: PartAddresses['sqs']
  leaseTimes: Partial<LeaseTimes>
}

/** A forwarder in a process of its own, which signals can stop and continue. */
export interface ForwarderProcess {
  child: ChildProcess
  /** Names of the instances that it has sent, oldest first. */
  readonly sent: readonly string[]
  end(): Promise<void>
}

export async function startForwarderProcess(start: Start): Promise<ForwarderProcess> {
  const child = fork(import.meta.filename, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  const sent: string[] = []
  child.on('message', name => sent.push(String(name)))
  child.send(start)
  return {
    child,
    sent,
    async end() {
      if (child.exitCode !== null || child.signalCode !== null) return
      const ended = once(child, 'exit')
      child.kill('SIGCONT')
      child.kill('SIGTERM')
      await ended
    },
  }
}

/** What runs in the process. */
async function run({ env, kubeconfig, queues: urls, sqs, leaseTimes }: Start): Promise<void> {
  const stopping = new AbortController()
  process.once('SIGTERM', () => stopping.abort())
  process.once('disconnect', () => stopping.abort())
  const client = openClient({ connection: { kind: 'kubeconfig', path: kubeconfig }, userAgent: 'test' })
  const queues = openQueues({ ...urls, clientOptions: sqs })
  const changes: Pick<typeof queues.changes, 'sendBatch'> = {
    sendBatch(outgoing, signal) {
      for (const { change } of outgoing) process.send?.(change.name)
      return queues.changes.sendBatch(outgoing, signal)
    },
  }
  const config = parseOperatorConfig(env)
  await composeForward({ client, changes, config, log: silentLog }, { leaseTimes })(stopping.signal)
  await client.close()
  queues.close()
  process.disconnect()
}

if (process.argv[1] === import.meta.filename && process.send)
  process.once('message', start => void run(start as Start))
