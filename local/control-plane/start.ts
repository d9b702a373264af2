import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Environment } from '../../lib/config/section.ts'
import { acquireLock } from '../process/lock.ts'
import { samePortOrFree } from '../process/ports.ts'
import { unlessDead } from '../process/wait.ts'
import type { Api } from './api.ts'
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
  tokenOf,
  type User,
  writeCredentials,
  writeKubeconfig,
} from './credentials.ts'
import { ensureNodes, forgetLeases } from './nodes.ts'
import { createProcesses, type Processes } from './processes.ts'
import { apiWhenReady, firstAccountMade } from './readiness.ts'
import type { Binaries, Program } from './recipe.ts'
import { troubleStages } from './trouble-stages.ts'

export interface ControlPlaneOptions {
  /** Holds data, keys, kubeconfig and logs. The data of an earlier run is used again. */
  directory: string
  binaries: Binaries
  /** The environment of the programs. */
  env: Environment
  /** True (the default) starts controller-manager, scheduler and kwok too. False: API server and etcd only. */
  full?: boolean
  /** More users with a token, whose rights a test binds by RBAC. */
  users?: readonly User[]
  /** File in which the API server records completed calls, at the audit level `Metadata`. */
  auditLog?: string
  /** etcd does not wait for the disk, for tests whose data need not survive a power cut. */
  unsafeNoFsync?: boolean
  /** Files with more kwok Stages. */
  kwokStages?: readonly string[]
}

export interface Restart {
  /** `kill` ends the API server as a crash would. */
  how?: 'stop' | 'kill'
  /** Milliseconds before it starts again. */
  downMs?: number
}

export interface ControlPlane {
  /** Path of the administrator's kubeconfig. */
  readonly kubeconfig: string
  readonly server: string
  readonly caData: string
  /** The administrator's token. */
  readonly token: string
  readonly pids: Readonly<Partial<Record<Program, number>>>
  /** Rejects when a program ends on its own, with its name, its log file and the log's last lines. */
  readonly died: Promise<never>
  tokenOf(user: string): string
  /** Writes a kubeconfig for one of `users`. @returns its path */
  kubeconfigOf(user: string): Promise<string>
  /** Makes an outage of the API server. Data and addresses stay. Resolves when it is ready again. */
  restartApiServer(options: Restart, signal: AbortSignal): Promise<void>
  stop(): Promise<void>
}

/** Time that the ports of an earlier run have to become free: a killed predecessor lives on for up to 3 s. */
const predecessorMs = 5_000

/** @throws Error that names the program that ended, or the state that did not come about */
export async function startControlPlane(
  options: ControlPlaneOptions,
  signal: AbortSignal,
): Promise<ControlPlane> {
  const directory = resolve(options.directory)
  const { full = true, binaries, env } = options
  const files = paths(directory)
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const inUse = (pid: number) => {
    throw new Error(`the control plane in ${directory} is in use by process ${pid}; stop that process first`)
  }
  const lock = await acquireLock(files.lock, inUse, signal)
  const processes = createProcesses({ directory, files, binaries, env })
  const stop = async () => {
    await processes.stop()
    await lock.release()
  }
  try {
    const identity = await readIdentity(directory)
    const ports = await choosePorts(identity, signal)
    await writeCredentials(directory, identity, options.users ?? [])
    const run: Run = { options, files, identity, ports, processes, full }
    const { api, plane } = await startApiServer(run, signal)
    if (full) await startControllers(run, { api, kubeconfigOf: plane.kubeconfigOf }, signal)
    const died = processes.anyDied()
    died.catch(() => {})
    return {
      ...plane,
      died,
      get pids() {
        return processes.pids()
      },
      stop,
    }
  } catch (thrown) {
    await stop()
    throw thrown
  }
}

interface Run {
  options: ControlPlaneOptions
  files: ReturnType<typeof paths>
  identity: Identity
  ports: Ports
  processes: Processes
  full: boolean
}

/** Starts etcd and the API server, waits until it is ready, and writes the administrator's kubeconfig. */
async function startApiServer(run: Run, signal: AbortSignal) {
  const { options, files, identity, ports, processes, full } = run
  const { auditLog, unsafeNoFsync = false } = options
  if (auditLog !== undefined) await writeFile(files.auditPolicy, auditPolicy)
  const start = () => processes.start('kube-apiserver', apiServerArguments(files, ports, { full, auditLog }))
  processes.start('etcd', etcdArguments(files, ports, unsafeNoFsync))
  start()
  const server = `https://127.0.0.1:${ports.apiServer}`
  const token = tokenOf(identity, admin)
  const ready = (alive: AbortSignal) => apiWhenReady(files.certificate, ports.apiServer, token, alive)
  const api = await unlessDead(processes.anyDied(), signal, ready)
  const caData = (await readFile(files.certificate)).toString('base64')
  const writeKubeconfigOf = async (user: string, path: string) => {
    await writeKubeconfig(path, { server, caData, user, token: tokenOf(identity, user) })
    return path
  }
  await writeKubeconfigOf(admin, files.kubeconfig)
  const plane = {
    kubeconfig: files.kubeconfig,
    server,
    caData,
    token,
    tokenOf: (user: string) => tokenOf(identity, user),
    kubeconfigOf: (user: string) => writeKubeconfigOf(user, files.kubeconfigOf(user)),
    async restartApiServer({ how = 'stop', downMs = 0 }: Restart, restartSignal: AbortSignal) {
      await processes.get('kube-apiserver')?.[how]()
      await sleep(downMs, undefined, { signal: restartSignal })
      await unlessDead(start().died, restartSignal, ready)
    },
  }
  return { api, plane }
}

/** Starts controller-manager, scheduler and kwok, and waits until pods can start. */
async function startControllers(
  { options, files, processes }: Run,
  { api, kubeconfigOf }: { api: Api; kubeconfigOf: ControlPlane['kubeconfigOf'] },
  signal: AbortSignal,
): Promise<void> {
  const [manager, scheduler, kwok] = await Promise.all(partUsers.map(kubeconfigOf))
  await writeFile(files.troubleStages, troubleStages())
  await forgetLeases(api, signal)
  const stages = [...builtInStages, files.troubleStages, ...(options.kwokStages ?? [])]
  processes.start('kube-controller-manager', controllerManagerArguments(files, manager as string))
  processes.start('kube-scheduler', schedulerArguments(scheduler as string))
  processes.start('kwok', kwokArguments(kwok as string, stages))
  await unlessDead(processes.anyDied(), signal, alive =>
    Promise.all([ensureNodes(api, alive), firstAccountMade(api, alive)]),
  )
}

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
