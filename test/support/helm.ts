import { type ExecFileException, execFile } from 'node:child_process'
import { createHash, randomUUID } from 'node:crypto'
import { access, mkdir, readFile, rename } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import type { Answer } from './kubectl.ts'

const run = promisify(execFile)
const module = resolve(import.meta.dirname, '../../tools/helm')

/** A first build takes some four minutes on two cores. What a build that is cut off has made is kept by Go. */
const buildMs = 240_000

/** Finds Helm in this machine's cache, or builds it there from its Go modules. @returns the path, or why there is none */
export async function findHelm(): Promise<{ path: string } | { missing: string }> {
  const pinned = await Promise.all(['go.mod', 'go.sum'].map(file => readFile(join(module, file))))
  const key = createHash('sha256').update(Buffer.concat(pinned)).digest('hex').slice(0, 16)
  const { XDG_CACHE_HOME } = process.env
  const cache = XDG_CACHE_HOME?.startsWith('/') ? XDG_CACHE_HOME : join(homedir(), '.cache')
  const folder = join(cache, 'challenge-operator', 'helm', key)
  const path = join(folder, 'helm')
  const isThere = await access(path).then(
    () => true,
    () => false,
  )
  if (isThere) return { path }
  await mkdir(folder, { recursive: true })
  const draft = join(folder, `.${randomUUID()}`)
  const args = ['build', '-mod=readonly', '-trimpath', '-ldflags', '-s -w', '-o', draft]
  const env = { ...process.env, CGO_ENABLED: '0', GOWORK: 'off' }
  try {
    await run('go', [...args, 'helm.sh/helm/v4/cmd/helm'], { cwd: module, env, timeout: buildMs })
    await rename(draft, path)
    return { path }
  } catch (thrown) {
    const { code, killed } = thrown as ExecFileException
    if (code === 'ENOENT') return { missing: 'there is no Go to build Helm with' }
    if (killed)
      return { missing: 'the build of Helm takes longer than this run waits; the next one goes on with it' }
    throw thrown
  }
}

export function runHelm(path: string, args: readonly string[]): Promise<Answer> {
  return run(path, args, { timeout: 60_000, maxBuffer: 2 ** 24 }).then(
    ({ stdout, stderr }) => ({ code: 0, output: `${stdout}${stderr}` }),
    ({ code, stdout, stderr }) => ({ code: Number(code ?? 1), output: `${stdout}${stderr}` }),
  )
}
