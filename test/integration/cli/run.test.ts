import { once } from 'node:events'
import { chmod, copyFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ChallengeInstance } from '../../../lib/crd/challenge-instance.ts'
import { apiVersion } from '../../../lib/crd/group.ts'
import { openClient } from '../../../lib/kubernetes/client/client.ts'
import type { KubernetesClient } from '../../../lib/kubernetes/client/http.ts'
import type { Cluster } from '../../../lib/kubernetes/cluster.ts'
import { openCluster } from '../../../lib/kubernetes/open-cluster.ts'
import { openDatabase } from '../../../lib/store/database.ts'
import { migrate } from '../../../lib/store/migrate.ts'
import { waitUntil } from '../../../local/process/wait.ts'
import { bareEnvironment, type Command, runCommand, startCommand } from '../../support/command.ts'
import { type ExternalEnvironment, externalEnvironment } from '../../support/external-environment.ts'
import { type ImageFolder, imageFolder } from '../../support/image-folder.ts'
import { instanceOf, templateOf } from '../../support/objects.ts'
import { sharedControlPlane, testNamespace } from '../../support/shared-parts.ts'

const signal = AbortSignal.timeout(600_000)

let parts: ExternalEnvironment
let client: KubernetesClient
let cluster: Cluster
let namespace: string
let database: ReturnType<typeof openDatabase>
/** The files of the container image, which an account without rights only reads. */
let image: ImageFolder
const replicas: Command[] = []

beforeAll(async () => {
  const plane = sharedControlPlane()
  namespace = (await testNamespace()).name
  image = await imageFolder()
  const kubeconfig = join(dirname(image.app), 'kubeconfig')
  await copyFile(plane.kubeconfig, kubeconfig)
  await chmod(kubeconfig, 0o644)
  parts = await externalEnvironment(kubeconfig)
  client = openClient({ connection: { kind: 'kubeconfig', path: plane.kubeconfig }, userAgent: 'test' })
  cluster = openCluster(client)
  database = openDatabase({ url: parts.database.url })
  await migrate(database, signal)
})
afterAll(async () => {
  for (const { child } of replicas) child.kill('SIGKILL')
  await database?.destroy()
  await client?.close()
  await parts?.database.remove()
  await image?.remove()
})

function startReplica(): Command {
  const env = {
    ...parts.env,
    OPERATOR_NAMESPACE: namespace,
    OPERATOR_INTERVAL: '2',
    OPERATOR_PLATFORM: 'none',
    OPERATOR_LOG_LEVEL: 'debug',
    FLAG_SECRET: 'f'.repeat(64),
  }
  // Only root may become another user.
  const user = process.getuid?.() === 0 ? 65_532 : undefined
  const replica = startCommand(['run', '--all', '--health-port', '0'], env, { ...image, user })
  replicas.push(replica)
  return replica
}

/** Every line of the log has to be JSON. */
function linesOf({ output }: Command): Record<string, unknown>[] {
  return output
    .split('\n')
    .slice(0, -1)
    .map(line => JSON.parse(line) as Record<string, unknown>)
}

async function portOf(replica: Command): Promise<unknown> {
  await replica.until('"the operator is running"')
  return linesOf(replica).find(each => each.message === 'the operator is running')?.healthPort
}

async function probe(replica: Command, path: string) {
  const response = await fetch(`http://127.0.0.1:${await portOf(replica)}${path}`)
  return { status: response.status, body: (await response.json()) as Record<string, unknown> }
}

/** The samples that Prometheus would read, by name and labels. */
async function metricsOf(replica: Command): Promise<Map<string, number>> {
  const response = await fetch(`http://127.0.0.1:${await portOf(replica)}/metrics`)
  expect(response.headers.get('content-type')).toContain('text/plain')
  const samples = (await response.text()).matchAll(/^([^#\s]\S*) (\S+)$/gm)
  return new Map([...samples].map(([, name = '', value]) => [name, Number(value)]))
}

const sweeps = (replica: Command) => replica.output.split('"sweep ended"').length - 1
const leads = ({ output }: Command) => output.includes('"lease is ours, leading"')

async function readyInstance(name: string): Promise<ChallengeInstance> {
  await cluster.create(instanceOf(namespace, name, 'web', 1), signal)
  let last: ChallengeInstance | undefined
  const isReady = async () => {
    const reference = { apiVersion, kind: 'ChallengeInstance', namespace, name }
    last = await cluster.get<ChallengeInstance>(reference, signal)
    return last?.status?.phase === 'Ready'
  }
  await waitUntil(`${name} is Ready`, 60_000, isReady, signal)
  return last as ChallengeInstance
}

describe('two processes of challenge-operator run --all', () => {
  let first: Command
  let second: Command

  test('start instances, and only the one that leads sweeps', async () => {
    first = startReplica()
    await waitUntil('the first leads', 60_000, async () => leads(first), signal)
    second = startReplica()
    for (const replica of [first, second])
      await waitUntil(
        'the probe',
        60_000,
        async () => (await probe(replica, '/readyz')).status === 200,
        signal,
      )
    await cluster.create(templateOf(namespace, 'web'), signal)
    const { status } = await readyInstance('one')
    // The database has no platform's tables.
    expect(status?.conditions?.find(({ type }) => type === 'Synced')).toMatchObject({ status: 'True' })
    await waitUntil('a sweep', 30_000, async () => sweeps(first) > 0, signal)
    expect(sweeps(second)).toBe(0)
    expect(leads(second)).toBe(false)
  })

  test('say in their probes that they are alive, and which parts they reach', async () => {
    expect(await probe(second, '/healthz')).toEqual({ status: 200, body: { status: 'ok', late: [] } })
    expect(await probe(second, '/readyz')).toEqual({
      status: 200,
      body: {
        status: 'ready',
        parts: {
          cluster: 'ok',
          changes: 'ok',
          timers: 'ok',
          deadLetters: 'ok',
          sweeps: 'ok',
          database: 'ok',
        },
      },
    })
    expect((await probe(second, '/')).status).toBe(404)
  })

  test('tell Prometheus what they do', async () => {
    const led = await metricsOf(first)
    const other = await metricsOf(second)
    expect(led.get('challenge_operator_forwarder_leading')).toBe(1)
    expect(other.get('challenge_operator_forwarder_leading')).toBe(0)
    const both = (name: string) => (led.get(name) ?? 0) + (other.get(name) ?? 0)
    // Either process may have had the passes.
    expect(both('challenge_operator_create_to_ready_seconds_count')).toBe(1)
    expect(both('challenge_operator_pass_duration_seconds_count')).toBeGreaterThan(1)
    // A creation costs 7 calls where the creator leaves the finalizer to the operator.
    expect(both('challenge_operator_pass_api_calls_sum')).toBeGreaterThanOrEqual(7)
    expect(both('challenge_operator_message_to_pass_lag_seconds_count')).toBeGreaterThan(1)
    expect(both('challenge_operator_queue_age_seconds_count')).toBeGreaterThan(1)
    expect(led.get('challenge_operator_event_to_message_lag_seconds_count')).toBeGreaterThan(1)
    expect(led.get('challenge_operator_api_calls_total{function="watch-forwarder"}')).toBeGreaterThan(5)
    expect(led.get('challenge_operator_api_calls_total{function="sweep"}')).toBeGreaterThan(1)
    expect(both('challenge_operator_lease_changes_total')).toBe(1)
  })

  test('keep the events of instances for the timeline, and publish none', async () => {
    const events = await database
      .selectFrom('challenge_operator.outbox')
      .select(['type', 'bus', 'published_at'])
      .where('type', '=', 'instance.ready')
      .execute()
    expect(events).toEqual([{ type: 'instance.ready', bus: '', published_at: null }])
    const about = linesOf(first).filter(({ message }) => /publish/.test(String(message)))
    expect(about).toMatchObject([
      { level: 'INFO', message: 'nothing is published, because EVENT_BUS_NAME is not set' },
    ])
  })

  test('hand over when the leader is asked to end, which ends in order', async () => {
    first.child.kill('SIGTERM')
    expect((await first.ended).code).toBe(0)
    const messages = linesOf(first).map(({ message }) => message)
    // The one that took the lease may show before the end of the process.
    expect(messages.indexOf('lease given up')).toBeGreaterThan(
      messages.indexOf('the operator is asked to end'),
    )
    expect(messages.at(-1)).toBe('the operator has ended in order')
    await waitUntil('the second leads', 30_000, async () => leads(second), signal)
    await readyInstance('two')
    await waitUntil('its sweeps', 30_000, async () => sweeps(second) > 0, signal)
    second.child.kill('SIGTERM')
    expect((await second.ended).code).toBe(0)
  })
})

describe('challenge-operator run', () => {
  test('reports everything that its functions lack as one line of the log, and exits with 78', async () => {
    const { code, output } = await runCommand(['run', 'forward', 'timer'], bareEnvironment())
    expect(code).toBe(78)
    const line = JSON.parse(output) as { level: string; error: { message: string } }
    expect(line.level).toBe('ERROR')
    expect(line.error.message).toContain('No cluster is given')
    expect(line.error.message).toContain('CHANGES_QUEUE_URL is not set')
    expect(line.error.message).not.toContain('DATABASE_URL')
  })

  test('ends at once at a second SIGTERM, whatever it waits for', async () => {
    // A queue server that takes every request and answers none, so that a poll does not end.
    const silent = createServer(() => {}).listen(0, '127.0.0.1')
    await once(silent, 'listening')
    const queue = `http://127.0.0.1:${(silent.address() as AddressInfo).port}/000000000000/`
    const env = {
      ...parts.env,
      AWS_ENDPOINT_URL_SQS: new URL(queue).origin,
      CHANGES_QUEUE_URL: `${queue}changes.fifo`,
      TIMERS_QUEUE_URL: `${queue}timers`,
      DEAD_LETTERS_QUEUE_URL: `${queue}dead.fifo`,
    }
    const polls = once(silent, 'request')
    const stuck = startCommand(['run', 'timer', '--health-port', '0'], env)
    replicas.push(stuck)
    await polls
    stuck.child.kill('SIGTERM')
    await stuck.until('the operator is asked to end')
    expect(stuck.child.exitCode).toBe(null)
    stuck.child.kill('SIGTERM')
    expect((await stuck.ended).code).toBe(130)
    silent.closeAllConnections()
    silent.close()
  })

  test('wants either functions or --all', async () => {
    const { code, output } = await runCommand(['run'], bareEnvironment())
    expect({ code, output }).toEqual({ code: 1, output: 'Name the functions to run, or write --all.\n' })
  })
})
