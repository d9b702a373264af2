import type { Environment } from '../../lib/config/section.ts'
import { type ChildProcess, startChildProcess } from '../process/child-process.ts'
import type { paths } from './credentials.ts'
import type { Binaries, Program } from './recipe.ts'

export interface ProcessesOptions {
  directory: string
  files: ReturnType<typeof paths>
  binaries: Binaries
  env: Environment
}

/** The running programs of one control plane. */
export interface Processes {
  start(name: Program, args: readonly string[]): ChildProcess
  get(name: Program): ChildProcess | undefined
  /** Rejects when a program that runs now ends on its own. */
  anyDied(): Promise<never>
  pids(): Partial<Record<Program, number>>
  stop(): Promise<void>
}

const clients = ['kwok', 'kube-scheduler', 'kube-controller-manager'] as const

export function createProcesses({ directory, files, binaries, env }: ProcessesOptions): Processes {
  const running = new Map<Program, ChildProcess>()
  return {
    start(name, args) {
      const logFile = files.logOf(name)
      const started = startChildProcess({ name, command: binaries[name], args, env, logFile, directory })
      running.set(name, started)
      return started
    },
    get: name => running.get(name),
    anyDied: () => Promise.race([...running.values()].map(each => each.died)),
    pids: () => Object.fromEntries([...running].map(([name, { pid }]) => [name, pid])),
    async stop() {
      // Each program ends before the one that it writes to.
      await Promise.all(clients.map(name => running.get(name)?.stop()))
      await running.get('kube-apiserver')?.stop()
      await running.get('etcd')?.stop()
    },
  }
}
