import type { TestProject } from 'vitest/node'
import { openClient } from '../../../lib/kubernetes/client/client.ts'
import type { KubernetesClient } from '../../../lib/kubernetes/client/http.ts'
import { openCluster } from '../../../lib/kubernetes/open-cluster.ts'
import { installEverywhere } from '../../support/global-setup.ts'
import { startTestPostgres } from '../../support/postgres.ts'
import { startTestQueues } from '../../support/queues.ts'
import { apiServerTargets, nodeRanges } from './cluster-addresses.ts'
import { openExecutor } from './execute.ts'
import { makeNamespace } from './namespaces.ts'
import { openPackets } from './packets.ts'
import { type Survey, surveyCluster } from './survey.ts'
import { type Ability, abilities, readVariables, type SuiteVariables } from './variables.ts'

/** What all files of a run share. */
export interface Suite extends SuiteVariables, Survey {
  /** The `OPERATOR_…` variables of the shell, for every operator of the suite. */
  operatorVariables: Record<string, string>
  postgresUrl: string
  queuesEndpoint: string
}

declare module 'vitest' {
  export interface ProvidedContext {
    suite: Suite
  }
}

/** Longest time of the setup and of the end. */
const limitMs = 600_000
const print = (line: string) => void process.stderr.write(`${line}\n`)

export default async function setup(project: TestProject) {
  const variables = readVariables(process.env)
  const client = openClient({
    connection: { kind: 'kubeconfig', path: variables.kubeconfig },
    userAgent: 'challenge-operator/test (e2e)',
  })
  const stopping = [() => client.close()]
  const stop = async () => {
    for (const each of stopping.toReversed()) await each()
  }
  try {
    await installEverywhere(variables.kubeconfig)
    const survey = await surveyInNamespace(client, variables)
    requireAbilities(survey.abilities, variables.required)
    const [postgres, queues] = await Promise.all([startTestPostgres(), startTestQueues()])
    stopping.push(
      () => postgres.stop(),
      () => queues.stop(),
    )
    project.provide('suite', {
      ...variables,
      ...survey,
      operatorVariables: await operatorVariables(client),
      postgresUrl: postgres.url,
      queuesEndpoint: queues.endpoint,
    })
  } catch (thrown) {
    await stop()
    throw thrown
  }
  return stop
}

async function surveyInNamespace(client: KubernetesClient, variables: SuiteVariables): Promise<Survey> {
  const signal = AbortSignal.timeout(limitMs)
  const namespace = await makeNamespace(client, 'survey', signal)
  try {
    const packets = openPackets(openExecutor(variables.kubeconfig), signal)
    const parts = { cluster: openCluster(client), client, packets, namespace: namespace.name }
    return await surveyCluster(parts, variables, await apiServerTargets(client, signal), signal)
  } finally {
    await namespace.remove()
  }
}

/** Prints what is skipped and why. @throws Error if a required ability is missing */
function requireAbilities(found: readonly Ability[], required: readonly Ability[]): void {
  const missing = (Object.keys(abilities) as Ability[]).filter(each => !found.includes(each))
  for (const name of missing) print(`skips tests that need "${name}": ${abilities[name]}`)
  const wanted = missing.filter(each => required.includes(each))
  if (wanted.length > 0)
    throw new Error(`E2E_REQUIRE: ${wanted.map(name => `${name} (${abilities[name]})`).join(', ')}`)
}

/** The nodes and the API server are the cluster's own ranges, unless the shell names others. */
async function operatorVariables(client: KubernetesClient): Promise<Record<string, string>> {
  const given = Object.entries(process.env).filter(
    (entry): entry is [string, string] => entry[0].startsWith('OPERATOR_') && entry[1] !== undefined,
  )
  const ranges = await nodeRanges(client, AbortSignal.timeout(limitMs))
  return { OPERATOR_CLUSTER_CIDRS: ranges.join(','), ...Object.fromEntries(given) }
}
