import { controlPlaneBinaries } from '../../local/control-plane/binaries.ts'
import {
  type ControlPlane,
  type ControlPlaneOptions,
  startControlPlane,
} from '../../local/control-plane/start.ts'
import { temporaryFolder } from './temporary-folder.ts'

/** Starts a control plane of the test file's own, for tests that break it. `stop` removes its files. */
export async function startTestControlPlane(
  options: Pick<ControlPlaneOptions, 'full' | 'users' | 'auditLog' | 'kwokStages'> = {},
  signal: AbortSignal = new AbortController().signal,
): Promise<ControlPlane> {
  const { env } = process
  // A first build takes minutes, so its progress is shown.
  const progress = (line: string) => void process.stderr.write(`${line}\n`)
  const binaries = await controlPlaneBinaries({ env, progress }, signal)
  const folder = await temporaryFolder('control-plane')
  try {
    const own = { directory: folder.path, binaries, env, unsafeNoFsync: true }
    const plane = await startControlPlane({ ...own, ...options }, signal)
    return {
      ...plane,
      get pids() {
        return plane.pids
      },
      async stop() {
        await plane.stop()
        await folder.remove()
      },
    }
  } catch (thrown) {
    await folder.remove()
    throw thrown
  }
}
