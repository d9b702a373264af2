import { clusterSection } from '../../lib/config/connections.ts'
import { operatorSection } from '../../lib/config/operator.ts'
import { type Environment, readConfig } from '../../lib/config/section.ts'
import { installManifests } from '../../lib/kubernetes/install/install.ts'
import type { Installed } from '../../lib/kubernetes/install/manifests.ts'
import { openExternalClient } from '../parts/external-parts.ts'

/**
 * `challenge-operator crds`: installs or upgrades CRDs and admission policies. Newer ones stay as they are, and so do
 * the guardrails of the administrator, but for the registries if `OPERATOR_ALLOWED_REGISTRIES` is set.
 */
export async function runCrds(
  env: Environment,
  print: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const { allowedRegistries } = readConfig(env, {
    operator: operatorSection,
    cluster: clusterSection,
  }).operator
  const client = openExternalClient(env, 'crds')
  try {
    const installed = await installManifests(client, { allowedRegistries }, signal)
    for (const each of installed) print(`${each.action.padEnd(9)}  ${withRemark(each)}`)
  } finally {
    await client.close()
  }
}

export function withRemark({ name, remark }: Installed): string {
  return remark === undefined ? name : `${name} (${remark})`
}
