import { PassThrough } from 'node:stream'
import type { V1Status } from '@kubernetes/client-node'
import { WebSocketHandler } from '@kubernetes/client-node/dist/web-socket-handler.js'
import { readKubeconfig } from './kubeconfig.ts'

/** A container of a running pod. */
export interface PodContainer {
  namespace: string
  pod: string
  container: string
}

export interface Executed {
  /** 0 if the command succeeded. */
  code: number
  /** stdout and stderr. */
  output: string
}

/** The longest time of one command. Every one of them has a shorter limit of its own. */
const limitMs = 30_000

/** The channels of a WebSocket to a command, by `k8s.io/kubelet/pkg/cri/streaming`. */
const channels = { stdout: 1, stderr: 2, status: 3 } as const

/**
 * Returns a function that runs a command in a container, as `kubectl exec` does. The test's machine need not reach the
 * pod's network for that: the kubelet runs the command.
 */
export function openExecutor(kubeconfig: string) {
  const handler = new WebSocketHandler(readKubeconfig(kubeconfig), undefined, unusedStreams())

  /** @throws Error if the command could not be run */
  return async function execute(
    { namespace, pod, container }: PodContainer,
    command: string[],
  ): Promise<Executed> {
    const query = new URLSearchParams([
      ...Object.entries({ container, stdout: 'true', stderr: 'true' }),
      ...command.map((word): [string, string] => ['command', word]),
    ])
    const output: Buffer[] = []
    const status: Buffer[] = []
    const closed = Promise.withResolvers<void>()
    const timer = setTimeout(() => closed.reject(new Error('no answer in time')), limitMs)
    const onData = (channel: number, data: Buffer): boolean => {
      if (channel === channels.stdout || channel === channels.stderr) output.push(data)
      if (channel === channels.status) status.push(data)
      // The server closes the connection. The status may come before the last output does.
      return true
    }
    try {
      const path = `/api/v1/namespaces/${namespace}/pods/${pod}/exec?${query}`
      const socket = await handler.connect(path, null, onData).catch(asError)
      socket.onerror = ({ message }: { message: string }) => closed.reject(new Error(message))
      socket.onclose = () => closed.resolve()
      await closed.promise
      return { code: exitCode(text(status)), output: text(output) }
    } catch (cause) {
      throw new Error(`${command.join(' ')} could not be run in ${namespace}/${pod}: ${cause}`, { cause })
    } finally {
      clearTimeout(timer)
    }
  }
}

export type Execute = ReturnType<typeof openExecutor>

/** The handler ends streams of its own when the server closes a channel. By default these are the process's. */
function unusedStreams() {
  return { stdin: new PassThrough(), stdout: new PassThrough(), stderr: new PassThrough() }
}

/** @throws Error unless the command ran and ended */
function exitCode(answer: string): number {
  if (answer === '') throw new Error('the connection was closed')
  const { status, message, details } = JSON.parse(answer) as V1Status
  if (status === 'Success') return 0
  const code = details?.causes?.find(({ reason }) => reason === 'ExitCode')?.message
  if (code === undefined) throw new Error(message)
  return Number(code)
}

/** A refused connection is reported by an event, which is no Error. */
function asError({ message }: { message: string }): never {
  throw new Error(message)
}

function text(chunks: readonly Buffer[]): string {
  return Buffer.concat(chunks).toString()
}
