import { type ExecFileException, execFile } from 'node:child_process'
import { createHash, randomUUID } from 'node:crypto'
import { access, mkdir, readFile, rename } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** A program that tests run and that no package registry has but as Go modules. */
export interface GoProgram {
  /** Also the folder in tools/ with the `go.mod` that pins it. */
  name: string
  package: string
  tags?: readonly string[]
}

export const goPrograms = {
  helm: { name: 'helm', package: 'helm.sh/helm/v4/cmd/helm' },
  promtool: {
    name: 'promtool',
    package: 'github.com/prometheus/prometheus/cmd/promtool',
    // Without the service discoveries, and so without the SDKs of all clouds. Rules need none.
    tags: ['remove_all_sd'],
  },
} as const satisfies Record<string, GoProgram>

/** A first build takes three to four minutes on two idle cores. What a build that is cut off has made is kept by Go. */
const usualBuildMs = 240_000

/** Finds a program in this machine's cache, or builds it there from its Go modules. @returns the path, or why there is none */
export async function findGoProgram(
  { name, package: target, tags = [] }: GoProgram,
  buildMs = usualBuildMs,
): Promise<{ path: string } | { missing: string }> {
  const module = resolve(import.meta.dirname, '../../tools', name)
  const pinned = await Promise.all(['go.mod', 'go.sum'].map(file => readFile(join(module, file))))
  const key = createHash('sha256').update(Buffer.concat(pinned)).digest('hex').slice(0, 16)
  const { XDG_CACHE_HOME } = process.env
  const cache = XDG_CACHE_HOME?.startsWith('/') ? XDG_CACHE_HOME : join(homedir(), '.cache')
  const folder = join(cache, 'challenge-operator', name, key)
  const path = join(folder, name)
  const isThere = await access(path).then(
    () => true,
    () => false,
  )
  if (isThere) return { path }
  await mkdir(folder, { recursive: true })
  const draft = join(folder, `.${randomUUID()}`)
  const tagged = tags.length === 0 ? [] : ['-tags', tags.join(',')]
  const args = ['build', '-mod=readonly', '-trimpath', ...tagged, '-ldflags', '-s -w', '-o', draft, target]
  const env = { ...process.env, CGO_ENABLED: '0', GOWORK: 'off' }
  try {
    await run('go', args, { cwd: module, env, timeout: buildMs, maxBuffer: 2 ** 24 })
    await rename(draft, path)
    return { path }
  } catch (thrown) {
    const { code, killed } = thrown as ExecFileException
    if (code === 'ENOENT') return { missing: `there is no Go to build ${name} with` }
    if (killed)
      return {
        missing: `the build of ${name} takes longer than this run waits; the next one goes on with it`,
      }
    throw thrown
  }
}
