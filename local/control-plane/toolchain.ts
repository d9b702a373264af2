import { execFile } from 'node:child_process'
import { tmpdir } from 'node:os'
import { promisify } from 'node:util'
import type { Environment } from '../../lib/config/section.ts'

const run = promisify(execFile)

/** Minor version of Go that the `go.mod` files need. */
const needed = 26
/** Minor version from which on Go can fetch a newer Go. */
const fetching = 21

/**
 * Checks for a Go that is new enough, or that may fetch one, before a build starts.
 * @throws Error that names the ways out
 */
export async function requireGo(env: Environment, signal: AbortSignal): Promise<void> {
  const options = { env: { ...env }, cwd: tmpdir(), signal }
  let answer: string
  try {
    answer = (await run('go', ['env', 'GOVERSION', 'GOTOOLCHAIN'], options)).stdout
  } catch (thrown) {
    signal.throwIfAborted()
    const missing = (thrown as NodeJS.ErrnoException).code === 'ENOENT'
    throw waysOut(missing ? 'no `go` was found on the PATH' : '`go env` failed', thrown)
  }
  const [version = '', policy = ''] = answer.trim().split('\n')
  const minor = Number(/^(?:.*\s)?go1\.(\d+)/.exec(version)?.[1] ?? Number.NaN)
  if (minor >= needed) return
  if (minor < fetching || Number.isNaN(minor)) throw waysOut(`${version || 'an unknown Go'} is too old`)
  if (!policy.includes('auto')) {
    throw waysOut(`${version} is too old, and GOTOOLCHAIN=${policy} forbids it to fetch a newer one`)
  }
}

function waysOut(what: string, cause?: unknown): Error {
  return new Error(
    `The embedded control plane has to be built once from its Go sources, but ${what}. Either install Go 1.${needed} ` +
      'or newer, or set KUBECONFIG to use an existing cluster, or set KUBEBUILDER_ASSETS to a folder with ' +
      'etcd, kube-apiserver, kube-controller-manager, kube-scheduler, kwok and kubectl.',
    { cause },
  )
}
