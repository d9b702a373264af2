import type { User } from '@kubernetes/client-node/dist/config_types.js'
import { abortable } from '../../abort.ts'
import { epochMs } from '../../crd/time.ts'
import { type Expiring, unusableConnection } from './credentials.ts'

/** The time for a plugin to ask a cloud for a token. A plugin that prompts for a password does not end in this time. */
const pluginMs = 30_000

interface ExecCredential {
  status?: {
    token?: string
    clientCertificateData?: string
    clientKeyData?: string
    expirationTimestamp?: string
  }
}

/** Runs the credential plugin of a kubeconfig's user (`exec`), without a terminal. */
export async function runExecPlugin(user: User, signal: AbortSignal): Promise<Expiring> {
  const { exec } = user
  const { ExecAuth } = await import('@kubernetes/client-node/dist/exec_auth.js')
  const info = { kind: 'ExecCredential', apiVersion: exec.apiVersion, spec: { interactive: false } }
  const env = [...(exec.env ?? []), { name: 'KUBERNETES_EXEC_INFO', value: JSON.stringify(info) }]
  // Every run gets a new plugin, because its cache keeps a token until the second in which it expires.
  const plugin = new ExecAuth() as unknown as { getCredential(user: User): Promise<ExecCredential | null> }
  const limit = AbortSignal.any([signal, AbortSignal.timeout(pluginMs)])
  const answer = await abortable(plugin.getCredential({ ...user, exec: { ...exec, env } }), limit).catch(
    thrown => {
      throw unusableConnection(pluginProblem(exec, thrown), thrown)
    },
  )
  const { token, clientCertificateData: cert, clientKeyData: key, expirationTimestamp } = answer?.status ?? {}
  if (!token && !(cert && key))
    throw unusableConnection(
      `The kubeconfig's credential plugin ${exec.command} returned neither a token nor a certificate.`,
    )
  return {
    credential: {
      ...(token ? { authorization: `Bearer ${token}` } : {}),
      ...(cert && key ? { cert, key } : {}),
    },
    expiresAt: epochMs(expirationTimestamp),
  }
}

function pluginProblem(exec: { command: string; installHint?: string }, thrown: unknown): string {
  const { code, message } = thrown as { code?: string; message?: string }
  const missing = code === 'ENOENT'
  const said = missing ? 'it is not installed' : (message ?? '').trim().split('\n')[0]?.slice(0, 200)
  const hint = missing && exec.installHint ? ` ${exec.installHint.trim().slice(0, 300)}` : ''
  return `The kubeconfig's credential plugin ${exec.command} failed: ${said}.${hint}`
}
