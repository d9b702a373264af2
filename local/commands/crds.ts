import { parseOperatorConfig } from '../../lib/config/operator.ts'
import type { Environment } from '../../lib/config/section.ts'
import { installManifests } from '../../lib/kubernetes/install/install.ts'
import { givenClient } from '../parts/external-clients.ts'

/** Installs or upgrades CRDs and admission policies in the given cluster; newer ones are kept. */
export async function installGiven(
  env: Environment,
  print: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const { namespaces } = parseOperatorConfig(env)
  const client = givenClient(env, 'crds')
  try {
    const installed = await installManifests(client, { namespaces, allowedRegistries: [] }, signal)
    for (const { name, action } of installed) print(`${action.padEnd(9)}  ${name}`)
  } finally {
    await client.close()
  }
}
