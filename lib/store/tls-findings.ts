import type { Finding } from '../doctor/check.ts'
import { withTls } from './connection-settings.ts'

/** Hosts of this machine, to which nobody listens in. */
const loopback = /^(localhost|127\.[\d.]+|\[::1\])$/

/** Reads the URL, as the driver does: behind a pooler, the server sees the pooler's connection. */
export function tlsFindings(url: string): Finding[] {
  const { searchParams, hostname } = new URL(withTls(url))
  const mode = searchParams.get('sslmode')
  const remedy = 'write sslmode=verify-full in DATABASE_URL'
  const weakness = mode === null ? undefined : weaknessOf(mode, searchParams)
  if (weakness !== undefined) return [{ problem: `the connection ${weakness}`, remedy }]
  const verified = { fine: 'the connection is encrypted and verified' }
  if (mode === 'verify-full') return [verified]
  if (mode !== null && mode !== 'disable')
    return [verified, { note: `sslmode=${mode} means verify-full in this release only; ${remedy}` }]
  if (loopback.test(hostname)) return []
  return [
    {
      note:
        `the connection to ${hostname} is not encrypted; if others share the network, ` +
        'add sslmode=verify-full to DATABASE_URL',
    },
  ]
}

/** With `uselibpqcompat=true`, the modes mean what they mean to psql, which verifies less. */
function weaknessOf(mode: string, parameters: URLSearchParams): string | undefined {
  if (mode === 'no-verify') return 'accepts every certificate (sslmode=no-verify)'
  if (parameters.get('uselibpqcompat') !== 'true' || mode === 'verify-full' || mode === 'disable')
    return undefined
  const named = `uselibpqcompat=true with sslmode=${mode}`
  const verifies = mode === 'verify-ca' || (mode === 'require' && parameters.has('sslrootcert'))
  return verifies
    ? `accepts the certificate of another host (${named})`
    : `accepts every certificate (${named})`
}
