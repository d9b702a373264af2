import { cp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { controlPlaneBinaries } from '../../local/control-plane/binaries.ts'
import { paths } from '../../local/control-plane/credentials.ts'
import { startControlPlane } from '../../local/control-plane/start.ts'
import { installEverywhere } from './global-setup.ts'
import { temporaryFolder } from './temporary-folder.ts'

/** A control plane of the test's own, whose etcd can be restored. Addresses and credentials stay. */
export interface RestorablePlane {
  kubeconfig: string
  /** Copies the files of etcd while it stands still, as the snapshot of a volume does. */
  backUp(): Promise<void>
  /** Stops every program, replaces the files of etcd, and starts every program, as Kubernetes asks for. */
  restore(): Promise<void>
  stop(): Promise<void>
}

export async function startRestorablePlane(
  signal: AbortSignal = new AbortController().signal,
): Promise<RestorablePlane> {
  const { env } = process
  const binaries = await controlPlaneBinaries(
    { env, progress: line => void process.stderr.write(`${line}\n`) },
    signal,
  )
  const folder = await temporaryFolder('control-plane')
  const directory = join(folder.path, 'plane')
  const backup = join(folder.path, 'backup')
  const { etcdData } = paths(directory)
  const start = () => startControlPlane({ directory, binaries, env, unsafeNoFsync: true }, signal)
  let plane = await start()
  await installEverywhere(plane.kubeconfig)
  return {
    kubeconfig: plane.kubeconfig,
    async backUp() {
      const { etcd } = plane.pids
      if (etcd === undefined) throw new Error('etcd does not run')
      process.kill(etcd, 'SIGSTOP')
      await cp(etcdData, backup, { recursive: true }).finally(() => process.kill(etcd, 'SIGCONT'))
    },
    async restore() {
      await plane.stop()
      await rm(etcdData, { recursive: true })
      await cp(backup, etcdData, { recursive: true })
      plane = await start()
    },
    async stop() {
      await plane.stop()
      await folder.remove()
    },
  }
}
