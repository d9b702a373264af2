import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Environment } from '../../lib/config/section.ts'
import { type ChildProcess, startChildProcess } from '../process/child-process.ts'
import { acquireLock } from '../process/lock.ts'
import { samePortOrFree } from '../process/ports.ts'
import { unlessDead, waitUntil } from '../process/wait.ts'
import { type Api, openApi } from './api.ts'
import {
  apiServerArguments,
  auditPolicy,
  controllerManagerArguments,
  etcdArguments,
  kwokArguments,
  type Ports,
  schedulerArguments,
} from './arguments.ts'
import {
  admin,
  type Identity,
  partUsers,
  paths,
  readIdentity,
  type User,
  writeCredentials,
  writeKubeconfig,
} from './credentials.ts'
import { ensureNodes, forgetLeases } from './nodes.ts'
import type { Binaries, Program } from './recipe.ts'
import { troubleStages } from './trouble-stages.ts'

export interface ControlPlaneOptions {
  /** Holds everything: data, keys, kubeconfig, logs. What an earlier run left there is resumed. */
  directory: string
  binaries: Binaries
  /** For the programs; of our own process. */
  env: Environment
  /** With controller-manager, scheduler and kwok (the default), or API server and etcd only: nothing then acts. */
  full?: boolean
  /** Further users with a token, for rights bound by RBAC. */
  users?: readonly User[]
  /** Where the API server writes who called what (`Metadata`, completed calls only). */
  auditLog?: string
  /** etcd does not wait for the disk: for tests, whose data need not survive a power cut. */
  unsafeNoFsync?: boolean
  /** Files with further kwok Stages. */
  kwokStages?: readonly string[]
}

export interface ControlPlane {
  /** Path of the administrator's kubeconfig. */
  readonly kubeconfig: string
  readonly server: string
  readonly caData: string
  /** The administrator's. */
  readonly token: string
  readonly pids: Readonly<Partial<Record<Program, number>>>
  /** Rejects as soon as a part ends by itself, naming it, its log and its last lines. */
  readonly died: Promise<never>
  tokenOf(user: string): string
  /** Writes and names a kubeconfig for one of `users`. */
  kubeconfigOf(user: string): Promise<string>
  /** An outage of the API server; data and addresses stay. Resolves when it is ready again. */
  restartApiServer(options: { how?: 'stop' | 'kill'; downMs?: number }, signal: AbortSignal): Promise<void>
  stop(): Promise<void>
}

/** A predecessor that was killed takes up to this long to be gone, and its port with it. */
const predecessorMs = 5_000
const readyMs = 60_000

/** @throws Error naming the part that ended, or what did not come about */
export async function startControlPlane(
  options: ControlPlaneOptions,
  signal: AbortSignal,
): Promise<ControlPlane> {
  const directory = resolve(options.directory)
  const { full = true, binaries, env } = options
  const files = paths(directory)
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const inUse = (pid: number) => {
    throw new Error(`the control plane in ${directory} is in use by process ${pid}; stop that first`)
  }
  const lock = await acquireLock(files.lock, inUse, signal)
  const parts = new Map<Program, ChildProcess>()
  const stop = async () => {
    // Who writes goes before who keeps; the two groups need not wait within themselves.
    await Promise.all(workers.map(name => parts.get(name)?.stop()))
    await parts.get('kube-apiserver')?.stop()
    await parts.get('etcd')?.stop()
    await lock.release()
  }
  try {
    const identity = await readIdentity(directory)
    const ports = await choosePorts(identity, signal)
    await writeCredentials(directory, identity, options.users ?? [])
    if (options.auditLog !== undefined) await writeFile(files.auditPolicy, auditPolicy)

    const start = (name: Program, args: readonly string[]) => {
      const logFile = files.logOf(name)
      const part = startChildProcess({ name, command: binaries[name], args, env, logFile, directory })
      parts.set(name, part)
      return part
    }
    const startApiServer = () =>
      start('kube-apiserver', apiServerArguments(files, ports, { full, auditLog: options.auditLog }))

    start('etcd', etcdArguments(files, ports, options.unsafeNoFsync ?? false))
    startApiServer()
    const anyDied = () => Promise.race([...parts.values()].map(part => part.died))
    const server = `https://127.0.0.1:${ports.apiServer}`
    const apiReady = (alive: AbortSignal) =>
      apiWhenReady(files.certificate, ports, tokenOf(identity, admin), alive)
    const api = await unlessDead(anyDied(), signal, apiReady)
    const caData = (await readFile(files.certificate)).toString('base64')
    const kubeconfigOf = async (user: string, path = files.kubeconfigOf(user)) => {
      await writeKubeconfig(path, { server, caData, user, token: tokenOf(identity, user) })
      return path
    }
    await kubeconfigOf(admin, files.kubeconfig)
    if (full) {
      const [manager, scheduler, kwok] = await Promise.all(partUsers.map(user => kubeconfigOf(user)))
      await writeFile(files.troubleStages, troubleStages())
      await forgetLeases(api, signal)
      const stages = [...builtInStages, files.troubleStages, ...(options.kwokStages ?? [])]
      start('kube-controller-manager', controllerManagerArguments(files, manager as string))
      start('kube-scheduler', schedulerArguments(scheduler as string))
      start('kwok', kwokArguments(kwok as string, stages))
      await unlessDead(anyDied(), signal, alive =>
        Promise.all([ensureNodes(api, alive), accountMade(api, alive)]),
      )
    }
    const died = anyDied()
    died.catch(() => {})
    return {
      kubeconfig: files.kubeconfig,
      server,
      caData,
      token: tokenOf(identity, admin),
      died,
      get pids() {
        return Object.fromEntries([...parts].map(([name, part]) => [name, part.pid]))
      },
      tokenOf: user => tokenOf(identity, user),
      kubeconfigOf: user => kubeconfigOf(user),
      async restartApiServer({ how = 'stop', downMs = 0 }, restartSignal) {
        await parts.get('kube-apiserver')?.[how]()
        await sleep(downMs, undefined, { signal: restartSignal })
        await unlessDead(startApiServer().died, restartSignal, apiReady)
      },
      stop,
    }
  } catch (thrown) {
    await stop()
    throw thrown
  }
}

const workers = ['kwok', 'kube-scheduler', 'kube-controller-manager'] as const
const builtInStages = ['kwok.yaml', 'node.yaml', 'pod.yaml'].map(name =>
  join(import.meta.dirname, 'stages', name),
)

async function choosePorts(identity: Identity, signal: AbortSignal): Promise<Ports> {
  const choose = (earlier: number | undefined) => samePortOrFree(earlier, predecessorMs, signal)
  const ports: Ports = {
    apiServer: await choose(identity.ports.apiServer),
    etcd: await choose(identity.ports.etcd),
    etcdPeer: await choose(identity.ports.etcdPeer),
  }
  identity.ports = ports
  return ports
}

function tokenOf(identity: Identity, user: string): string {
  const token = identity.tokens[user]
  if (token === undefined) throw new Error(`no user ${user} was declared when the control plane was started`)
  return token
}

async function apiWhenReady(
  certificate: string,
  ports: Ports,
  token: string,
  signal: AbortSignal,
): Promise<Api> {
  let api: Api | undefined
  const isReady = async () => {
    // The API server writes its certificate at its first start: before, there is nothing to trust, and then not all of it.
    api = openApi(ports.apiServer, await readFile(certificate, 'utf8'), token)
    return (await api.call('GET', '/readyz', undefined, signal)).status === 200
  }
  await waitUntil('readiness of the API server', readyMs, isReady, signal)
  return api as Api
}

/** The controller-manager is at work once the first account is there; pods are refused before. */
async function accountMade(api: Api, signal: AbortSignal): Promise<void> {
  const path = '/api/v1/namespaces/default/serviceaccounts/default'
  const isMade = async () => (await api.call('GET', path, undefined, signal)).status === 200
  await waitUntil('the first service account', readyMs, isMade, signal)
}
