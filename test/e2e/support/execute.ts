import { Writable } from 'node:stream'
import { Exec, KubeConfig, type V1Status } from '@kubernetes/client-node'

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

/**
 * Returns a function that runs a command in a container, as `kubectl exec` does. The API server need not reach the pod's
 * network for that: the kubelet runs the command.
 */
export function openExecutor(kubeconfig: string) {
  const config = new KubeConfig()
  for (const [index, path] of kubeconfig.split(':').entries()) {
    if (index === 0) config.loadFromFile(path)
    else config.mergeConfig(fromFile(path), true)
  }
  const exec = new Exec(config)

  /** @throws Error if the command could not be run */
  return async function execute(
    { namespace, pod, container }: PodContainer,
    command: string[],
  ): Promise<Executed> {
    const output = collector()
    const ended = Promise.withResolvers<V1Status | undefined>()
    const timer = setTimeout(() => ended.reject(new Error('no answer in time')), limitMs)
    try {
      const [stdout, stderr] = [output.stream(), output.stream()]
      const socket = await exec
        .exec(namespace, pod, container, command, stdout, stderr, null, false, ended.resolve)
        .catch(({ message }: { message: string }) => {
          throw new Error(message)
        })
      socket.onerror = ({ message }: { message: string }) => ended.reject(new Error(message))
      socket.onclose = () => ended.resolve(undefined)
      return { code: exitCode(await ended.promise), output: output.text() }
    } catch (cause) {
      throw new Error(`${command.join(' ')} could not be run in ${namespace}/${pod}: ${cause}`, { cause })
    } finally {
      clearTimeout(timer)
    }
  }
}

export type Execute = ReturnType<typeof openExecutor>

/** @throws Error unless the command ran and ended */
function exitCode(status: V1Status | undefined): number {
  if (status?.status === 'Success') return 0
  const code = status?.details?.causes?.find(({ reason }) => reason === 'ExitCode')?.message
  if (code === undefined) throw new Error(status?.message ?? 'the connection was closed')
  return Number(code)
}

function fromFile(path: string): KubeConfig {
  const config = new KubeConfig()
  config.loadFromFile(path)
  return config
}

function collector() {
  const chunks: Buffer[] = []
  return {
    stream: () =>
      new Writable({
        write(chunk: Buffer, _, done) {
          chunks.push(chunk)
          done()
        },
      }),
    text: () => Buffer.concat(chunks).toString(),
  }
}
