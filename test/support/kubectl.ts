import { execFile } from 'node:child_process'
import { controlPlaneBinaries } from '../../local/control-plane/binaries.ts'

export interface Answer {
  code: number
  /** Of stdout and stderr. */
  output: string
}

/** Runs the kubectl that is built along with the control plane. @param input what it reads from stdin */
export async function runKubectl(kubeconfig: string, args: readonly string[], input = ''): Promise<Answer> {
  const { env } = process
  const { kubectl } = await controlPlaneBinaries({ env, progress() {} }, AbortSignal.timeout(60_000))
  return new Promise(resolve => {
    const child = execFile(
      kubectl,
      ['--kubeconfig', kubeconfig, ...args],
      { timeout: 60_000, maxBuffer: 2 ** 24 },
      (error, stdout, stderr) =>
        resolve({ code: error ? Number(error.code ?? 1) : 0, output: `${stdout}${stderr}` }),
    )
    child.stdin?.end(input)
  })
}
