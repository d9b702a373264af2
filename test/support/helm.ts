import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { findGoProgram, goPrograms } from './go-program.ts'
import type { Answer } from './kubectl.ts'

const run = promisify(execFile)

/** Finds Helm in this machine's cache, or builds it there from its Go modules. @returns the path, or why there is none */
export function findHelm(): Promise<{ path: string } | { missing: string }> {
  return findGoProgram(goPrograms.helm)
}

export function runHelm(path: string, args: readonly string[]): Promise<Answer> {
  return run(path, args, { timeout: 60_000, maxBuffer: 2 ** 24 }).then(
    ({ stdout, stderr }) => ({ code: 0, output: `${stdout}${stderr}` }),
    ({ code, stdout, stderr }) => ({ code: Number(code ?? 1), output: `${stdout}${stderr}` }),
  )
}
