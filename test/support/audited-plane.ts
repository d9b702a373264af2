import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { openClient } from '../../lib/kubernetes/client/client.ts'
import type { ControlPlane } from '../../local/control-plane/start.ts'
import { waitUntil } from '../../local/process/wait.ts'
import { startTestControlPlane } from './control-plane.ts'
import { installEverywhere } from './global-setup.ts'
import { temporaryFolder } from './temporary-folder.ts'

/** One call in the API server's audit log. A watch is recorded when it begins. */
export interface AuditedCall {
  user: string
  userAgent: string
  verb: string
  group: string
  /** Includes the subresource: `challengeinstances/status`. */
  resource: string
  namespace: string
  name: string
  uri: string
  code: number
}

export interface AuditedPlane extends ControlPlane {
  /** Every call that has been answered, oldest first. */
  calls(signal: AbortSignal): Promise<AuditedCall[]>
}

interface AuditEvent {
  stage: string
  verb: string
  requestURI: string
  userAgent?: string
  user?: { username?: string }
  objectRef?: {
    apiGroup?: string
    resource?: string
    subresource?: string
    namespace?: string
    name?: string
  }
  responseStatus?: { code?: number }
}

/** Starts a control plane of the test file's own, with an audit log. */
export async function startAuditedPlane({
  users = [],
  installed = true,
  full = true,
}: {
  users?: { name: string; groups: string[] }[]
  /** Whether CRDs and policies are installed. */
  installed?: boolean
  /** Whether the controllers run: then pods start, and garbage is collected. */
  full?: boolean
} = {}): Promise<AuditedPlane> {
  const folder = await temporaryFolder('audit')
  const auditLog = join(folder.path, 'audit.log')
  const plane = await startTestControlPlane({ full, users, auditLog }).catch(async thrown => {
    await folder.remove()
    throw thrown
  })
  if (installed) await installEverywhere(plane.kubeconfig)
  const client = openClient({
    connection: { kind: 'kubeconfig', path: plane.kubeconfig },
    userAgent: 'challenge-operator/test (audit)',
  })
  return {
    ...plane,
    get pids() {
      return plane.pids
    },
    async calls(signal) {
      const marker = randomUUID()
      await client.request('GET', '/version', { query: { marker } }, signal)
      let text = ''
      const isWritten = async () => {
        text = await readFile(auditLog, 'utf8')
        return text.includes(marker)
      }
      await waitUntil('the audit log to be written', 20_000, isWritten, signal)
      // The last line may be incomplete.
      const events = text
        .slice(0, text.lastIndexOf('\n'))
        .split('\n')
        .map(line => JSON.parse(line) as AuditEvent)
      return events
        .filter(
          ({ verb, stage }) =>
            stage === (verb === 'watch' ? 'ResponseStarted' : 'ResponseComplete') || stage === 'Panic',
        )
        .map(callOf)
    },
    async stop() {
      await client.close()
      await plane.stop()
      await folder.remove()
    },
  }
}

function callOf({
  user,
  userAgent = '',
  verb,
  requestURI,
  objectRef,
  responseStatus,
}: AuditEvent): AuditedCall {
  const { apiGroup: group = '', resource = '', subresource, namespace = '', name = '' } = objectRef ?? {}
  return {
    user: user?.username ?? '',
    userAgent,
    verb,
    group,
    resource: subresource === undefined ? resource : `${resource}/${subresource}`,
    namespace,
    name,
    uri: requestURI,
    code: responseStatus?.code ?? 0,
  }
}
