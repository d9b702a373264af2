import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { ControlPlane } from '../../local/control-plane/start.ts'

/** The processor core of API server and etcd. A managed control plane is what is scarce, so it has a core of its own. */
const controlPlaneCore = 0

/** The processor core of everything else. */
const otherCore = 1

/**
 * Moves this process to the core of everything else. A process that it starts later inherits the core.
 * @throws Error where `taskset` (util-linux) is missing, or the machine has one core
 */
export async function pinBench(): Promise<void> {
  await pin(process.pid, otherCore)
}

/** Moves API server and etcd to their own core. */
export async function pinControlPlane({ pids }: ControlPlane): Promise<void> {
  for (const program of ['kube-apiserver', 'etcd'] as const) {
    const pid = pids[program]
    if (pid !== undefined) await pin(pid, controlPlaneCore)
  }
}

async function pin(pid: number, core: number): Promise<void> {
  const args = ['--all-tasks', '--cpu-list', '--pid', String(core), String(pid)]
  try {
    await promisify(execFile)('taskset', args)
  } catch (thrown) {
    const why = thrown instanceof Error ? thrown.message.trim() : String(thrown)
    throw new Error(`--pinned needs Linux with taskset and two cores. ${why}`)
  }
}
