import type { OperatorConfig } from '../../../lib/config/operator.ts'
import { placesElsewhere } from '../../../lib/config/placement.ts'
import type { Check, Finding } from '../../../lib/doctor/check.ts'
import type { KubernetesClient } from '../../../lib/kubernetes/client/http.ts'
import type { Connection } from '../../../lib/kubernetes/connection/connection.ts'
import { serverTls } from '../../../lib/kubernetes/connection/server-tls.ts'
import { ownName } from '../../../lib/kubernetes/install/accounts.ts'
import { checkPolicies } from '../../../lib/kubernetes/install/policy-check.ts'
import { checkSchema } from '../../../lib/kubernetes/install/schema-check.ts'
import { readServerVersion } from '../../../lib/kubernetes/server-version.ts'
import { clockFinding, reachCluster } from './check.ts'
import { clockCheck } from './clock-check.ts'
import { installationCheck } from './installation-check.ts'
import { rightsCheck } from './rights-check.ts'
import { versionCheck } from './version-check.ts'

const crds = 'run: npx challenge-operator crds'

/** Days. Time to renew a certificate before an event. */
const soonDays = 14

export function clusterChecks(
  { client, connection }: { client: KubernetesClient; connection: Connection },
  config: OperatorConfig,
): Check[] {
  return [
    { name: 'cluster', remedy: reachCluster, look: signal => clusterFinding(client, signal) },
    versionCheck(client),
    {
      name: 'cluster tls',
      needs: 'cluster',
      remedy: reachCluster,
      look: signal => tlsFinding(connection, Date.now(), signal),
    },
    {
      name: 'cluster clock',
      needs: 'cluster',
      remedy: reachCluster,
      async look(signal) {
        const before = Date.now()
        const { headers } = await client.request('GET', '/version', {}, signal)
        const there = Date.parse(String(headers.date))
        if (Number.isNaN(there)) return { note: 'the cluster does not tell its time' }
        // The header of HTTP has whole seconds.
        return clockFinding('the cluster', { there, before, after: Date.now(), exactMs: 1_000 })
      },
    },
    {
      name: 'schema',
      needs: 'cluster',
      remedy: crds,
      async look(signal) {
        const seen = await checkSchema(client, signal)
        return seen === 'versions'
          ? { fine: 'the CRDs are of this version' }
          : { note: 'this user may not read CRDs, so their version was not checked' }
      },
    },
    {
      name: 'policies',
      needs: 'cluster',
      remedy: crds,
      look: signal => policyFinding(client, config, signal),
    },
    installationCheck(client, config),
    clockCheck(client, config.leaseNamespace),
    rightsCheck(client, { namespaces: config.namespaces, everywhere: placesElsewhere(config.placement) }),
  ]
}

async function clusterFinding(client: KubernetesClient, signal: AbortSignal): Promise<Finding> {
  const { status, gitVersion } = await readServerVersion(client, signal)
  if (status === 401)
    return {
      problem: 'the cluster does not accept the credentials of KUBECONFIG (401)',
      remedy: 'log in again, or renew the token or client certificate in KUBECONFIG',
    }
  if (status !== 403 && gitVersion === undefined)
    return {
      problem: `what answers is no Kubernetes API server (status ${status} for /version)`,
      remedy: 'check the address of the server in the current context of KUBECONFIG',
    }
  const name = await ownName(client, signal)
  if (name === 'system:anonymous')
    return {
      problem: 'KUBECONFIG has no credentials, so the cluster takes this user for system:anonymous',
      remedy: 'log in, or give the current context of KUBECONFIG a user',
    }
  const user = name === undefined ? '' : `, as user ${name}`
  return { fine: `Kubernetes ${gitVersion ?? 'of an unknown version'}${user}` }
}

async function tlsFinding(connection: Connection, now: number, signal: AbortSignal): Promise<Finding> {
  const { kind, expires } = await serverTls(connection, signal)
  switch (kind) {
    case 'plain':
      return {
        problem: 'the connection is not encrypted (http), so everybody on the way can read Secrets',
        remedy: 'write the https address of the server in KUBECONFIG',
      }
    case 'unverified':
      return {
        problem: 'KUBECONFIG accepts every certificate (insecure-skip-tls-verify)',
        remedy: 'remove insecure-skip-tls-verify, and give certificate-authority-data',
      }
    case 'proxied':
      return { fine: "encrypted, through a proxy; the end of the server's certificate was not checked" }
    case 'verified': {
      if (expires === undefined) return { fine: 'encrypted and verified' }
      const days = Math.floor((expires - now) / 86_400_000)
      const until = new Date(expires).toISOString().slice(0, 10)
      return days < soonDays
        ? { note: `encrypted and verified; the server's certificate expires soon, on ${until}` }
        : { fine: `encrypted and verified; the server's certificate is valid until ${until}` }
    }
  }
}

async function policyFinding(
  client: KubernetesClient,
  config: OperatorConfig,
  signal: AbortSignal,
): Promise<Finding> {
  const { wrong, unserved, unreadable } = await checkPolicies(client, config, signal)
  if (wrong.length > 0) return { problem: wrong.join('; '), remedy: crds }
  if (unserved)
    return {
      note: 'the cluster has no ValidatingAdmissionPolicy (before Kubernetes 1.30), so none are installed',
    }
  if (unreadable) return { note: 'this user may not read admission policies, so they were not checked' }
  return { fine: 'the admission policies are of this version' }
}
