import { spawn } from 'node:child_process'
import { rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Environment } from '../../lib/config/section.ts'
import { buildFlags, buildSeconds, chosenKubernetes, type Program, recipeOf } from './recipe.ts'

/** Writes `program` to the path `output`. Tests replace it by a quick one. */
export type Build = (
  program: Program,
  output: string,
  onLine: (line: string) => void,
  signal: AbortSignal,
) => Promise<void>

/** Prints a line for a user who waits. */
export type Progress = (line: string) => void

const heartbeatMs = 15_000

/** Builds the missing programs into `folder`, one after the other, because one Go build uses every core. */
export async function buildMissing(
  missing: readonly Program[],
  folder: string,
  build: Build,
  progress: Progress,
  signal: AbortSignal,
): Promise<void> {
  for (const [index, program] of missing.entries()) {
    const started = Date.now()
    const place = `${index + 1} of ${missing.length}`
    progress(`building ${program} (${place}, ${expected(program)} on 2 cores, once per machine)…`)
    let last = ''
    const heartbeat = setInterval(() => {
      progress(`  still building ${program}, ${elapsed(started)} so far${last && ` (${last})`}`)
    }, heartbeatMs)
    const draft = join(folder, `.${program}.${process.pid}`)
    try {
      const onLine = (line: string) => {
        last = line.slice(0, 100)
      }
      await build(program, draft, onLine, signal)
      await rename(draft, join(folder, program))
    } finally {
      clearInterval(heartbeat)
      await rm(draft, { force: true })
    }
    progress(`built ${program} in ${elapsed(started)}`)
  }
}

/**
 * Builds with Go, and Kubernetes in the version that the environment asks for. The build throws an error with the compiler's
 * last lines.
 */
export function goBuild(env: Environment): Build {
  const version = chosenKubernetes(env)
  return async (program, output, onLine, signal) => {
    const { module, package: target } = recipeOf(program, version)
    const child = spawn('go', ['build', ...(await buildFlags(version)), '-o', output, target], {
      cwd: module,
      env: { ...env, CGO_ENABLED: '0', GOWORK: 'off' },
      stdio: ['ignore', 'ignore', 'pipe'],
      signal,
    })
    const said: string[] = []
    createInterface({ input: child.stderr }).on('line', line => {
      onLine(line)
      said.push(line)
      if (said.length > 20) said.shift()
    })
    const code = await new Promise((resolve, reject) => {
      child.once('error', reject)
      child.once('close', resolve)
    })
    if (code !== 0) throw new Error(`go build of ${target} failed (exit code ${code}):\n${said.join('\n')}`)
  }
}

function expected(program: Program): string {
  const seconds = buildSeconds[program]
  return seconds < 90 ? `about ${seconds} s` : `about ${Math.round(seconds / 60)} minutes`
}

function elapsed(since: number): string {
  const seconds = Math.round((Date.now() - since) / 1_000)
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`
}
