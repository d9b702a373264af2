import { inject, type TestContext } from 'vitest'
import type { ChallengeTemplateSpec, Placement } from '../../../lib/crd/challenge-template.ts'
import { openClient } from '../../../lib/kubernetes/client/client.ts'
import type { KubernetesClient } from '../../../lib/kubernetes/client/http.ts'
import type { Cluster } from '../../../lib/kubernetes/cluster.ts'
import { openCluster } from '../../../lib/kubernetes/open-cluster.ts'
import type { OperatorSeams } from '../../../local/lambda/compose.ts'
import { startTestOperator, type TestOperator } from '../../support/operator.ts'
import { testDatabase, testQueues } from '../../support/shared-parts.ts'
import { type Challenges, openChallenges } from './challenges.ts'
import { openExecutor } from './execute.ts'
import { makeNamespace, placementPrefix, removeNamespacesWith } from './namespaces.ts'
import { openPackets, type Packets } from './packets.ts'
import { ports, type RunningPod, startProbePod } from './probe-pod.ts'
import { type Ability, abilities } from './variables.ts'

export interface WorldOptions {
  /** One word, part of the names of the namespaces. */
  purpose: string
  /** Names of the templates, which the platform's tables then know as challenges. */
  templates: string[]
  /** Variables of the operator, besides those of the shell. */
  env?: (namespaces: { platform: string }) => Record<string, string>
  /** Whether templates may have each placement. Default: `Shared` alone. */
  everyPlacement?: boolean
  /** Replacements in every operator of the world. Default: none, so that it is composed as for `npm start`. */
  seams?: OperatorSeams
}

export const placements = ['Shared', 'Event', 'Instance'] as const satisfies Placement[]

/** The cluster as one test file uses it: namespaces of its own, and an operator that watches those with challenges. */
export interface World {
  /** Namespaces with challenges. The operator watches both. */
  namespaces: readonly [string, string]
  /** A namespace that the operator does not watch. */
  platformNamespace: string
  /** Begins the names of the namespaces that the operator makes. */
  namespacePrefix: string
  cluster: Cluster
  client: KubernetesClient
  challenges: Challenges
  packets: Packets
  signal: AbortSignal
  /** The operator that runs. @throws Error if none does */
  operator(): TestOperator
  stopOperator(): Promise<void>
  /** Starts the operator again, over the same database and new queues. @param changed variables with other values */
  startOperator(changed?: Record<string, string>): Promise<void>
  /** Starts a pod that is no challenge. Default: in the platform's namespace. */
  startProbe(name: string, namespace?: string): Promise<RunningPod>
  /** Ends the instances and the operator, and removes everything that was made. */
  close(): Promise<void>
}

/** Ends the test as skipped, with the reason, if the cluster lacks one of these abilities. */
export function needs({ skip }: TestContext, ...wanted: Ability[]): void {
  const { abilities: found } = inject('suite')
  for (const name of wanted) skip(!found.includes(name), abilities[name])
}

/** A template whose pods listen on one TCP port and one UDP port, and answer agnhost's `connect`. */
export function workload(spec: Partial<ChallengeTemplateSpec> = {}): Partial<ChallengeTemplateSpec> {
  return {
    image: inject('suite').image,
    args: ['netexec', `--http-port=${ports.tcp}`, `--udp-port=${ports.udp}`],
    resources: { cpu: '50m', memory: '192Mi' },
    ports: [
      { name: 'http', port: ports.tcp },
      { name: 'udp', port: ports.udp, protocol: 'UDP' },
    ],
    ...spec,
  }
}

export async function openWorld(options: WorldOptions): Promise<World> {
  const { purpose, templates, env, everyPlacement, seams } = options
  const suite = inject('suite')
  const ending = new AbortController()
  const { signal } = ending
  const client = openClient({
    connection: { kind: 'kubeconfig', path: suite.kubeconfig },
    userAgent: `challenge-operator/test (e2e ${purpose})`,
  })
  const cluster = openCluster(client)
  const [first, second, platform] = await Promise.all([
    makeNamespace(client, `${purpose}-first`, signal),
    makeNamespace(client, `${purpose}-second`, signal),
    makeNamespace(client, `${purpose}-platform`, signal),
  ])
  const namespacePrefix = placementPrefix()
  const placementVariables = everyPlacement && {
    OPERATOR_PLACEMENTS: placements.join(','),
    OPERATOR_NAMESPACE_PREFIX: namespacePrefix,
  }
  const database = await testDatabase(suite.postgresUrl)
  const start = async (changed: Record<string, string> = {}) => {
    // New queues: the poll of an operator that has ended may take a message, which then stays hidden for a minute.
    const queues = await testQueues({}, signal, suite.queuesEndpoint)
    return startTestOperator({
      plane: { kubeconfig: suite.kubeconfig, namespace: first.name },
      moreNamespaces: [second.name],
      databaseUrl: database.url,
      queues,
      challenges: templates,
      ...(seams && { seams }),
      env: {
        ...suite.operatorVariables,
        ...placementVariables,
        ...env?.({ platform: platform.name }),
        ...changed,
      },
    })
  }
  let running: TestOperator | undefined = await start()
  const challenges = openChallenges(cluster, signal)
  const stopOperator = async () => {
    await running?.stop()
    running = undefined
  }
  return {
    namespaces: [first.name, second.name],
    platformNamespace: platform.name,
    namespacePrefix,
    cluster,
    client,
    challenges,
    packets: openPackets(openExecutor(suite.kubeconfig), signal),
    signal,
    operator() {
      if (running === undefined) throw new Error('the operator does not run')
      return running
    },
    stopOperator,
    async startOperator(changed) {
      running ??= await start(changed)
    },
    startProbe: (name, namespace = platform.name) =>
      startProbePod(cluster, { namespace, name, image: suite.image }, signal),
    async close() {
      if (running) await challenges.endAll([first.name, second.name])
      await stopOperator()
      await removeNamespacesWith(client, namespacePrefix, signal)
      await Promise.all([first, second, platform].map(each => each.remove()))
      await database.remove()
      await client.close()
      ending.abort()
    },
  }
}
