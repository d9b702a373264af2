import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { parse } from 'yaml'
import { parseOperatorConfig } from '../../lib/config/operator.ts'
import type { ChallengeInstance, ChallengeInstanceStatus } from '../../lib/crd/challenge-instance.ts'
import { gatewayKind } from '../../lib/crd/child-kinds.ts'
import { apiVersion } from '../../lib/crd/group.ts'
import type { GatewayRoute, KubernetesObject, Stored } from '../../lib/crd/objects.ts'
import { type Desired, desiredState } from '../../lib/desired/desired.ts'
import { noGround } from '../../lib/desired/exposure/exposure.ts'
import { isProblem } from '../../lib/desired/problem.ts'
import { collectionPath } from '../../lib/kubernetes/client/paths.ts'
import { waitUntil } from '../../local/process/wait.ts'
import { type BenchCluster, openBenchCluster, sideBySide } from './bench-cluster.ts'
import { namesOf } from './burst.ts'
import { finalized } from './creator.ts'
import { startOperator } from './operator.ts'
import { instance, operated, type Sample, sampleOf } from './sample.ts'
import { createServingObjects } from './serving-objects.ts'

/** Takes the Gateway from under Ready instances with a route, and measures what comes meanwhile. */
const { values } = parseArgs({ options: { routes: { type: 'string', default: '5000' } } })
const routes = Number(values.routes)
const write = (text: string) => void process.stdout.write(`${text}\n`)
const signal = AbortSignal.timeout(1_800_000)

const gateway = { namespace: 'default', name: 'public' }
const routeVersion = 'gateway.networking.k8s.io/v1'
const listeners = [{ name: 'web', protocol: 'HTTP', port: 8000 }]
const probes = 10

const plain = sampleOf('Shared')
const environment = {
  ...plain.environment,
  OPERATOR_DOMAIN: 'play.example.com',
  OPERATOR_GATEWAY: `${gateway.namespace}/${gateway.name}`,
  // Neither the sweep nor its resync takes part.
  OPERATOR_INTERVAL: '3600',
  OPERATOR_RESYNC_MINUTES: '1440',
}
const config = parseOperatorConfig(environment)
const sample: Sample = {
  ...plain,
  environment,
  template(namespace) {
    const template = plain.template(namespace)
    return { ...template, spec: { ...template.spec, exposure: { type: 'HTTPRoute' } } }
  },
  desiredOf(whole): Desired {
    const { namespace } = whole.metadata
    const desired = desiredState({
      instance: whole,
      template: this.template(namespace),
      config,
      flag: `flag{${'0'.repeat(32)}}`,
      env: {},
      exposure: { ...noGround, claim: 'held', routeVersion, gateway: { listeners } },
      placementNamespace: namespace,
    })
    if (isProblem(desired)) throw new Error(desired.message)
    return desired
  },
}

const stack = new AsyncDisposableStack()
try {
  const cluster = await openBenchCluster({ full: false, pinned: false, sample }, signal)
  stack.defer(() => cluster.stack.disposeAsync())
  await installGatewayApi(cluster)
  const body = {
    ...gatewayKind,
    metadata: { name: gateway.name },
    spec: { gatewayClassName: 'none', listeners },
  }
  await cluster.bare.call(
    'POST',
    collectionPath(gatewayKind, gateway.namespace),
    JSON.stringify(body),
    signal,
  )
  write(`laying ${routes} Ready instances with a route`)
  const settle = await createServingObjects(cluster.bare, sample, signal, { statusOf: accepted, reported })
  const names = namesOf('ready', routes)
  const left = names.entries()
  const work = async () => {
    for (const [index, name] of left) await settle(name, index + 1)
  }
  await Promise.all(Array.from({ length: sideBySide }, work))

  await startOperator(cluster, { teams: routes + probes, profile: undefined, sample }, signal)
  await sleep(20_000)
  const { client } = cluster
  const instances = collectionPath({ apiVersion, kind: 'ChallengeInstance' }, operated)
  const read = async (name: string) =>
    (await client.request('GET', `${instances}/${name}`, {}, signal)).body as ChallengeInstance
  const started = performance.now()
  await client.request(
    'DELETE',
    `${collectionPath(gatewayKind, gateway.namespace)}/${gateway.name}`,
    {},
    signal,
  )
  await sleep(2_000)

  const seconds: Record<'deleted' | 'created', number[]> = { deleted: [], created: [] }
  for (let probe = 0; probe < probes; probe++) {
    const old = names.at(-1 - probe) ?? ''
    await client.request('DELETE', `${instances}/${old}`, {}, signal)
    seconds.deleted.push(await secondsUntil(async () => (await read(old)).status?.phase === 'Terminating'))
    const made = `made-${probe}`
    const { metadata, ...rest } = finalized(instance(operated, made, routes + probe + 1))
    await client.request('POST', instances, { body: { ...rest, metadata } }, signal)
    seconds.created.push(await secondsUntil(async () => (await read(made)).status?.children !== undefined))
  }
  write(`deletion taken up after ${figures(seconds.deleted)}`)
  write(`children and status of a creation after ${figures(seconds.created)}`)
  const [last] = names.slice(-1 - probes)
  const isTold = async (name: string) =>
    (await read(name)).status?.conditions?.some(
      ({ type, status }) => type === 'Exposed' && status === 'False',
    )
  await waitUntil('the last status', 1_200_000, async () => (await isTold(last ?? '')) === true, signal)
  write(`the last of the statuses says so after ${((performance.now() - started) / 1_000).toFixed(0)} s`)
} finally {
  await stack.disposeAsync()
}

async function secondsUntil(isSo: () => Promise<boolean>): Promise<number> {
  const from = performance.now()
  while (!(await isSo())) await sleep(20, undefined, { signal })
  return (performance.now() - from) / 1_000
}

function figures(all: readonly number[]): string {
  const sorted = all.toSorted((a, b) => a - b).map(each => each.toFixed(2))
  return `${sorted[Math.floor(sorted.length / 2)]} s (p50), ${sorted.at(-1)} s (slowest of ${sorted.length})`
}

/** The answer of the controller of a Gateway. */
function accepted(child: Stored<KubernetesObject>): unknown {
  if (child.kind !== 'HTTPRoute') return undefined
  const { metadata, spec } = child as Stored<GatewayRoute>
  const conditions = ['Accepted', 'ResolvedRefs'].map(type => ({
    ...{ type, status: 'True', reason: type, message: '' },
    observedGeneration: metadata.generation,
    lastTransitionTime: new Date().toISOString(),
  }))
  const [parentRef] = spec.parentRefs
  return { parents: [{ parentRef, controllerName: 'example.com/controller', conditions }] }
}

function reported(status: ChallengeInstanceStatus, { exposure }: Desired): ChallengeInstanceStatus {
  const host = exposure?.host
  const exposed = {
    ...({ type: 'Exposed', status: 'True', reason: 'Exposed', message: '' } as const),
    lastTransitionTime: new Date().toISOString(),
  }
  return {
    ...status,
    url: `http://${host}`,
    exposure: { type: 'HTTPRoute', state: 'accepted', ...(host !== undefined && { host }) },
    conditions: [...(status.conditions ?? []), exposed],
  }
}

async function installGatewayApi({ bare, client }: BenchCluster): Promise<void> {
  const kind = { apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition' }
  for (const file of ['gatewayclasses', 'gateways', 'httproutes']) {
    const text = await readFile(join(import.meta.dirname, '../support/gateway-api', `${file}.yaml`), 'utf8')
    await bare.call('POST', collectionPath(kind), JSON.stringify(parse(text)), signal)
  }
  const path = collectionPath({ apiVersion: routeVersion, kind: 'HTTPRoute' }, operated)
  const isServed = async () => (await client.request('GET', path, {}, signal)).status === 200
  await waitUntil('the Gateway API', 30_000, isServed, signal)
}
