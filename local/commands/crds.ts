import { parseOperatorConfig } from '../../lib/config/operator.ts'
import type { Environment } from '../../lib/config/section.ts'
import { installManifests } from '../../lib/kubernetes/install/install.ts'
import { openExternalClient } from '../parts/external-parts.ts'

/** `challenge-operator crds`: installs or upgrades CRDs and admission policies. Newer ones stay as they are. */
export async function runCrds(
  env: Environment,
  print: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const { namespaces } = parseOperatorConfig(env)
  const client = openExternalClient(env, 'crds')
  try {
    const installed = await installManifests(client, { namespaces, allowedRegistries: [] }, signal)
    for (const { name, action } of installed) print(`${action.padEnd(9)}  ${name}`)
  } finally {
    await client.close()
  }
}
