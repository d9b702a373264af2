import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { apiVersion } from '../../lib/crd/group.ts'
import type { Pod } from '../../lib/crd/objects.ts'
import { openClient } from '../../lib/kubernetes/client/client.ts'
import type { KubernetesClient } from '../../lib/kubernetes/client/http.ts'
import type { Cluster } from '../../lib/kubernetes/cluster.ts'
import { openCluster } from '../../lib/kubernetes/open-cluster.ts'
import { watch } from '../../lib/kubernetes/watch/watch.ts'
import { silentLog } from '../../lib/telemetry/log.ts'
import { waitUntil } from '../../local/process/wait.ts'
import { type Challenges, openChallenges } from './support/challenges.ts'
import { openExecutor } from './support/execute.ts'
import {
  type InClusterOperator,
  installInCluster,
  operatorContainer,
  operatorNamespace,
  watchedNamespace,
} from './support/in-cluster.ts'
import { makeNamespace, type TestNamespace } from './support/namespaces.ts'
import { openPackets } from './support/packets.ts'
import { ports, startProbePod } from './support/probe-pod.ts'
import { needs, workload } from './support/world.ts'

const { kubeconfig, inCluster, operatorVariables, image } = inject('suite')
const ending = new AbortController()
const { signal } = ending
const template = 'e2e-in-cluster'
const healthPort = 8081

let client: KubernetesClient
let cluster: Cluster
let challenges: Challenges
let operator: InClusterOperator
let neighbours: TestNamespace

beforeAll(async () => {
  if (inCluster === undefined) return
  client = openClient({ connection: { kind: 'kubeconfig', path: kubeconfig }, userAgent: 'e2e in-cluster' })
  cluster = openCluster(client)
  challenges = openChallenges(cluster, signal)
  neighbours = await makeNamespace(client, 'in-cluster', signal)
  operator = await installInCluster({
    ...{ kubeconfig, cluster, signal },
    images: inCluster,
    variables: operatorVariables,
  })
  await challenges.applyTemplate(watchedNamespace, template, workload())
}, 600_000)
afterAll(async () => {
  if (inCluster === undefined) return
  const reference = { apiVersion, kind: 'ChallengeTemplate', namespace: watchedNamespace, name: template }
  if (operator) await challenges.endAll([watchedNamespace])
  await cluster.delete(reference, {}, signal)
  await operator?.remove()
  await neighbours.remove()
  await client.close()
  ending.abort()
}, 600_000)

const at = (name: string) => ({ namespace: watchedNamespace, name })
const owner = { template, team: 1 }
const untilReady = (name: string) => challenges.until(at(name), ({ status }) => status?.phase === 'Ready')

type PodWithStatus = Pod & {
  status?: {
    podIP?: string
    containerStatuses?: {
      ready?: boolean
      restartCount?: number
      state?: { terminated?: { exitCode: number } }
    }[]
  }
}
const statusOf = (pod: Pod) => (pod as PodWithStatus).status?.containerStatuses?.[0]

describe('two replicas of the operator in a cluster', () => {
  test('run under Pod Security restricted, are Ready by their probes, and one of them leads', async context => {
    needs(context, 'operator-image')
    const pods = await operator.pods()
    expect(pods.map(pod => [statusOf(pod)?.ready, statusOf(pod)?.restartCount])).toEqual([
      [true, 0],
      [true, 0],
    ])
    const asRoot = {
      ...{ apiVersion: 'v1', kind: 'Pod', metadata: { namespace: operatorNamespace, name: 'as-root' } },
      spec: { containers: [{ name: 'root', image }] },
    }
    await expect(cluster.create(asRoot, signal)).rejects.toThrow('restricted')
    const names = pods.map(({ metadata }) => metadata.name)
    const isLed = async () => names.includes((await operator.leader()) ?? '')
    await waitUntil('a leader', 60_000, isLed, signal)
    await challenges.start(at('first'), owner)
  })

  test('start new instances and end others after the leader was killed', async context => {
    needs(context, 'operator-image')
    const leading = (await operator.leader()) ?? ''
    const pod = { apiVersion: 'v1', kind: 'Pod', namespace: operatorNamespace, name: leading }
    const path = `/api/v1/namespaces/${operatorNamespace}/pods/${leading}`
    const killed = await client.request('DELETE', path, { body: { gracePeriodSeconds: 0 } }, signal)
    expect(killed.status).toBe(200)
    const since = performance.now()
    await challenges.create(at('after-kill'), owner)
    await challenges.delete(at('first'))
    await untilReady('after-kill')
    process.stderr.write(
      `an instance created after the leader was killed was Ready after ${Math.round(performance.now() - since)} ms\n`,
    )
    await challenges.untilGone(at('first'))
    expect(await operator.leader()).not.toBe(leading)
    expect(await cluster.get(pod, signal)).toBeUndefined()
    await operator.untilRolledOut()
  })

  test('lose no event in a rolling update, and end in order', async context => {
    needs(context, 'operator-image')
    const replaced = (await operator.pods()).map(({ metadata }) => metadata.name)
    const exitCodes = new Map<string, number>()
    const watching = new AbortController()
    const watched = watch<PodWithStatus>(
      client,
      { apiVersion: 'v1', kind: 'Pod', namespace: operatorNamespace },
      {
        onObject(pod) {
          const { terminated } = statusOf(pod)?.state ?? {}
          if (terminated) exitCodes.set(pod.metadata.name, terminated.exitCode)
        },
        onGone: () => {},
        onListed: () => {},
      },
      { log: silentLog },
      AbortSignal.any([signal, watching.signal]),
    )
    await operator.restart()
    const names: string[] = []
    // The first look may come before the controller has seen the change.
    do {
      const name = `rolling-${names.length}`
      names.push(name)
      await challenges.create(at(name), owner)
      await sleep(2_000)
    } while (names.length < 20 && !(await operator.isRolledOut()))
    await operator.untilRolledOut()
    for (const name of names) await untilReady(name)
    const ended = async () => replaced.every(name => exitCodes.has(name))
    await waitUntil('the end of the replaced pods', 90_000, ended, signal)
    watching.abort()
    await watched
    expect(replaced.map(name => exitCodes.get(name))).toEqual([0, 0])
    expect((await operator.pods()).map(pod => statusOf(pod)?.restartCount)).toEqual([0, 0])
  })

  test('reach by their NetworkPolicy what they need, and are reached at their health port only', async context => {
    needs(context, 'operator-image', 'policies')
    const [pod] = await operator.pods()
    const from = {
      namespace: operatorNamespace,
      pod: pod?.metadata.name ?? '',
      container: operatorContainer,
    }
    const execute = openExecutor(kubeconfig)
    const packets = openPackets(execute, signal)
    const start = (name: string) =>
      startProbePod(cluster, { namespace: neighbours.name, name, image }, signal)
    const [one, other] = await Promise.all([start('one'), start('other')])
    const host = other.addresses[0] ?? ''
    await packets.expectOpen(one, { host, port: ports.tcp })
    const connects = async (target: string, port: number) => {
      const script = `require('net').connect({host:'${target}',port:${port},timeout:4000}).on('connect',()=>process.exit(0)).on('error',()=>process.exit(2)).on('timeout',()=>process.exit(3))`
      return (await execute(from, ['node', '-e', script])).code
    }
    expect(await connects(`parts.${operatorNamespace}.svc`, 5432)).toBe(0)
    expect(await connects(host, ports.tcp)).not.toBe(0)

    const address = (pod as PodWithStatus).status?.podIP ?? ''
    const listener = `require('net').createServer().listen(9999);setTimeout(()=>process.exit(),15000)`
    const listening = execute(from, ['node', '-e', listener])
    await sleep(2_000)
    await packets.expectOpen(one, { host: address, port: healthPort })
    expect(await packets.connect(one, { host: address, port: 9999 })).not.toBe('open')
    // It listens, or nothing was shown.
    expect(await connects('127.0.0.1', 9999)).toBe(0)
    await listening
  })
})
