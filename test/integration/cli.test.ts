import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, readdir, stat, symlink } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openReceiver } from '../../lib/aws/receiver.ts'
import type { ChallengeInstance } from '../../lib/crd/challenge-instance.ts'
import { apiVersion } from '../../lib/crd/group.ts'
import { type KubernetesClient, openClient } from '../../lib/kubernetes/client/client.ts'
import type { Cluster } from '../../lib/kubernetes/cluster.ts'
import { openCluster } from '../../lib/kubernetes/open-cluster.ts'
import { localCredentials, localRegion } from '../../local/parts/queues.ts'
import { waitUntil } from '../../local/process/wait.ts'
import { type AuditedPlane, startAuditedPlane } from '../support/audited-plane.ts'
import { bareEnvironment, type Command, type Ended, runCommand, startCommand } from '../support/command.ts'
import { instanceOf } from '../support/objects.ts'
import { processesWith } from '../support/processes.ts'
import { testDatabase, testQueues } from '../support/shared-parts.ts'
import { type TemporaryFolder, temporaryFolder } from '../support/temporary-folder.ts'
import { oldCrds } from './manifests/old-crds.ts'

const run = promisify(execFile)
const signal = AbortSignal.timeout(170_000)
const samples = [
  'crypto-oracle-team-103',
  'pwn-callback-team-101',
  'web-warmup-team-101',
  'web-warmup-team-102',
]

let folder: TemporaryFolder
let plane: AuditedPlane
let database: Awaited<ReturnType<typeof testDatabase>>
let client: KubernetesClient
let cluster: Cluster
/** The parts of somebody who has them all. */
let given: Record<string, string | undefined>
let firstRun: Ended

beforeAll(async () => {
  folder = await temporaryFolder('cli')
  const first = runCommand(['up', '--once', '--directory', join(folder.path, 'fresh')])
  plane = await startAuditedPlane({ full: false, installed: false })
  database = await testDatabase()
  const { changesUrl, timersUrl, deadLettersUrl, clientOptions } = await testQueues()
  given = {
    ...bareEnvironment(),
    KUBECONFIG: plane.kubeconfig,
    DATABASE_URL: database.url,
    AWS_ENDPOINT_URL_SQS: String(clientOptions.endpoint),
    CHANGES_QUEUE_URL: changesUrl,
    TIMERS_QUEUE_URL: timersUrl,
    DEAD_LETTERS_QUEUE_URL: deadLettersUrl,
    AWS_REGION: localRegion,
    AWS_ACCESS_KEY_ID: localCredentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: localCredentials.secretAccessKey,
  }
  client = openClient({ connection: { kind: 'kubeconfig', path: plane.kubeconfig }, userAgent: 'test' })
  cluster = openCluster(client)
  await startOld()
  firstRun = await first
})
afterAll(async () => {
  await client?.close()
  await plane?.stop()
  await database?.remove()
  await folder?.remove()
})

/** The cluster of somebody who had the operator before us, with an instance whose name we would refuse. */
async function startOld(): Promise<void> {
  for (const object of oldCrds) await cluster.apply(object, signal)
  const collection = `/apis/${apiVersion}/namespaces/default`
  const store = async (kind: string, name: string, spec: object) => {
    const body = { apiVersion, kind, metadata: { name }, spec }
    const path = `${collection}/${kind.toLowerCase()}s`
    const isStored = async () => (await client.request('POST', path, { body }, signal)).status === 201
    await waitUntil(`${kind} ${name}`, 20_000, isStored, signal)
  }
  await store('ChallengeTemplate', 'web', { image: 'a:1', resources: { cpu: '10m', memory: '16Mi' } })
  await store('ChallengeInstance', '1st.bad', { templateRef: 'web', owner: { teamId: 1, eventId: 1 } })
}

describe('what does a first `up --once` do, with nothing given', () => {
  test('starts what is missing, shows every transition and ends with 0', () => {
    expect(firstRun.output.split('\n').filter(line => /error|warn/i.test(line))).toEqual([])
    for (const name of samples) {
      expect(firstRun.output).toMatch(new RegExp(`default/${name} +New\n`))
      expect(firstRun.output).toMatch(
        new RegExp(`default/${name} .*→ Ready  (http|tcp)://${name}\\.default\\.svc`),
      )
    }
    expect(firstRun.output).toContain('all 4 samples are Ready and their rows are written')
    expect(firstRun.output).toContain('Instances: 4 Ready.')
    expect(firstRun.code).toBe(0)
  })

  test('and leaves no process behind', async () => {
    expect(await processesWith(folder.path)).toEqual([])
  })
})

describe('what does the next `up` do', () => {
  let second: Command
  let sourced: Record<string, string>
  const directory = () => join(folder.path, 'fresh')

  beforeAll(async () => {
    second = startCommand(['up', '--directory', directory()])
    await second.until('the operator is running; Ctrl-C ends it')
    for (const name of samples) await second.until(name)
    const { stdout } = await run('sh', ['-c', `. '${directory()}/env' && env -0`], {
      env: bareEnvironment() as never,
    })
    sourced = Object.fromEntries(
      stdout.split('\0').map(line => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
    )
  })
  afterAll(async () => {
    second.child.kill('SIGTERM')
    await second.ended
  })

  test('resumes: nothing is made anew', () => {
    expect(second.output).not.toMatch(/ (New|Pending|Provisioning)|created|migrated/)
    for (const name of samples) expect(second.output).toMatch(new RegExp(`default/${name} +Ready  `))
  })

  test('writes what another shell needs, for nobody else to read', async () => {
    expect((await stat(join(directory(), 'env'))).mode & 0o077).toBe(0)
    const { stdout } = await run('kubectl', ['get', 'cinst', '--no-headers'], { env: sourced })
    expect(
      stdout
        .trim()
        .split('\n')
        .map(line => line.split(/ +/).slice(0, 2)),
    ).toEqual(samples.map(name => [name, 'Ready']))
  })

  test('`get` and `doctor` see it in that shell', async () => {
    const got = await runCommand(['get', 'web-warmup-team-101'], sourced)
    expect(got.output).toMatch(
      /^NAMESPACE +NAME +PHASE.*\ndefault +web-warmup-team-101 +Ready +web-warmup +101 .* yes +-\n$/,
    )
    expect(got.code).toBe(0)
    const seen = await runCommand(['doctor'], sourced)
    expect(seen.output).toContain('All is well.')
    expect(seen.output).not.toMatch(/FAIL|^- /m)
    expect(seen.code).toBe(0)
  })

  test('is refused to a second one in the same folder, which says whose it is', async () => {
    const other = await runCommand(['up', '--directory', directory()])
    expect(other.output).toContain(`in use by process ${second.child.pid}`)
    expect(other.code).toBe(1)
  })

  test('ends in order at Ctrl-C, and leaves no process behind', async () => {
    second.child.kill('SIGINT')
    const { code, output } = await second.ended
    expect(output).toMatch(/ending…\nInstances: 4 Ready\. \d+ transitions in \d+ s\.\n$/)
    expect(code).toBe(0)
    expect(await processesWith(folder.path)).toEqual([])
  })
})

describe('what does a command say that cannot begin', () => {
  test.each(['up', 'doctor', 'get', 'crds'])(
    '%s: every complaint about the configuration at once, and 78',
    async command => {
      const wrong = {
        OPERATOR_INTERVAL: 'soon',
        OPERATOR_NAMESPACES: 'a',
        FLAG_SECRET: 'short',
        OPERATOR_DNS: '?',
      }
      const directory = join(folder.path, 'never')
      const args = command === 'up' ? [command, '--directory', directory] : [command]
      const { code, output } = await runCommand(args, { ...given, ...wrong })
      for (const name of Object.keys(wrong)) expect(output).toContain(name)
      expect(output).not.toContain('    at ')
      expect(output).not.toContain('short\n')
      expect(code).toBe(78)
      expect(existsSync(join(directory, 'postgres'))).toBe(false)
    },
  )

  test('up without Go and without a cluster: the ways out, and nothing left running', async () => {
    const empty = join(folder.path, 'empty')
    await mkdir(empty)
    const env = {
      ...bareEnvironment(),
      PATH: await pathWithoutGo(),
      XDG_CACHE_HOME: empty,
      KUBEBUILDER_ASSETS: undefined,
    }
    const { code, output } = await runCommand(['up', '--directory', join(folder.path, 'no-go')], env)
    const complaint = output
      .split('\n')
      .filter(line => !/^(cluster|database|queues|event bus): /.test(line))
      .join('\n')
    expect(complaint).toMatch(
      /^The embedded control plane has to be built once.*no `go` was found on the PATH/,
    )
    for (const way of ['install Go', 'KUBECONFIG', 'KUBEBUILDER_ASSETS']) expect(complaint).toContain(way)
    expect(complaint.trim().split('\n')).toHaveLength(1)
    expect(code).toBe(1)
    expect(await processesWith(folder.path)).toEqual([])
  })

  test.each([
    ['migrate', 'DATABASE_URL'],
    ['get', 'KUBECONFIG'],
    ['crds', 'KUBECONFIG'],
    ['forward', 'CHANGES_QUEUE_URL'],
  ])('%s without %s: names it', async (command, variable) => {
    const { code, output } = await runCommand([command])
    expect(output).toContain(variable)
    expect(code).toBe(78)
  })
})

/** The same folders, but those with a `go` in them as links to everything else there. */
async function pathWithoutGo(): Promise<string> {
  const without = (process.env.PATH ?? '').split(delimiter).map(async (each, index) => {
    if (!existsSync(join(each, 'go'))) return each
    const links = join(folder.path, `path-${index}`)
    await mkdir(links)
    for (const name of await readdir(each))
      if (name !== 'go') await symlink(join(each, name), join(links, name))
    return links
  })
  return (await Promise.all(without)).join(delimiter)
}

describe('what do the commands do with parts that are given', () => {
  let up: Command | undefined
  afterAll(async () => {
    up?.child.kill('SIGTERM')
    await up?.ended
  })

  test('doctor: each that is wrong, and how to mend it', async () => {
    const changesUrl = given.CHANGES_QUEUE_URL?.replace('.fifo', '-not.fifo')
    const { code, output } = await runCommand(['doctor'], { ...given, CHANGES_QUEUE_URL: changesUrl })
    expect(output).toMatch(/^ok +cluster +Kubernetes v1/m)
    expect(output).toMatch(/^FAIL +schema .*an older operator's.*\n +→ run: npx challenge-operator crds/m)
    expect(output).toMatch(/^FAIL +changes .*\n +→ check CHANGES_QUEUE_URL/m)
    expect(output).toMatch(
      /^FAIL +database +our tables are missing or older\n +→ run: npx challenge-operator migrate/m,
    )
    expect(output).toMatch(/^ok +timers /m)
    expect(code).toBe(1)
  })

  test('migrate: once, and the second time nothing', async () => {
    expect(await runCommand(['migrate'], given)).toEqual({
      code: 0,
      output: expect.stringMatching(/^migrated: /),
    })
    expect(await runCommand(['migrate'], given)).toEqual({ code: 0, output: 'the database is up to date\n' })
  })

  test("up: the old operator's CRDs are upgraded, said so, and nothing else is made", async () => {
    const before = (await plane.calls(signal)).length
    up = startCommand(['up', '--directory', join(folder.path, 'given')], given)
    await up.until('the operator is running')
    for (const part of ['cluster', 'database', 'queues']) expect(up.output).toContain(`${part}: given`)
    for (const kind of ['instances', 'templates'])
      expect(up.output).toContain(`upgraded customresourcedefinition/challenge${kind}.infra.ctf.example.com`)
    await up.until('NameInvalid')

    const reference = { apiVersion, kind: 'ChallengeInstance', namespace: 'default', name: '1st.bad' }
    const stalled = await cluster.get<ChallengeInstance>(reference, signal)
    expect(stalled?.status?.message).toContain('The name "1st.bad" cannot name a Service')
    await cluster.delete(reference, {}, signal)
    await up.until('gone')
    expect(await cluster.get(reference, signal)).toBeUndefined()
    up.child.kill('SIGINT')
    expect((await up.ended).code).toBe(0)

    const calls = (await plane.calls(signal)).slice(before)
    const ours = calls.filter(
      ({ userAgent, code }) => userAgent.startsWith('challenge-operator/') && code < 300,
    )
    const writes = ours.filter(({ verb, uri }) => verb !== 'get' && !uri.includes('dryRun=All'))
    const made = writes.filter(({ verb, uri }) => verb === 'create' || uri.includes('force=true'))
    expect([...new Set(made.map(({ resource }) => resource))].toSorted()).toEqual([
      'customresourcedefinitions',
      'leases',
      'mutatingadmissionpolicies',
      'mutatingadmissionpolicybindings',
      'validatingadmissionpolicies',
      'validatingadmissionpolicybindings',
    ])
    expect(await processesWith(folder.path)).toEqual([])
  })

  test('crds: the second time nothing', async () => {
    const { code, output } = await runCommand(['crds'], given)
    expect(code).toBe(0)
    expect(
      output
        .trim()
        .split('\n')
        .map(line => line.split(' ')[0]),
    ).toEqual(Array(8).fill('unchanged'))
  })

  test('forward: leads, sends, and gives the lease up at its end', async () => {
    // Queues of its own: the SQS server may hand a message to a poll that `up` left behind.
    const { changesUrl, clientOptions } = await testQueues()
    const forward = startCommand(['forward'], { ...given, CHANGES_QUEUE_URL: changesUrl })
    await forward.until('lease is ours, leading')
    const body = instanceOf('default', 'forwarded', 'web', 1)
    const path = `/apis/${apiVersion}/namespaces/default/challengeinstances`
    await client.request('POST', path, { body }, signal)
    const receiver = openReceiver({ queueUrl: changesUrl, clientOptions })
    const received: unknown[] = []
    // A receive may come back with nothing before its time.
    const hasCome = async () => {
      received.push(...(await receiver.receive(signal)).map(({ body }) => JSON.parse(body)))
      return received.length > 0
    }
    await waitUntil('the message', 20_000, hasCome, signal)
    expect(received).toMatchObject([{ name: 'forwarded', cause: 'changed' }])
    receiver.close()
    forward.child.kill('SIGTERM')
    expect(await forward.ended).toEqual({ code: 0, output: expect.stringContaining('lease given up') })
    const finalizers = { metadata: { finalizers: null } }
    const contentType = 'application/merge-patch+json'
    await client.request('DELETE', `${path}/forwarded`, {}, signal)
    await client.request('PATCH', `${path}/forwarded`, { body: finalizers, contentType }, signal)
  })

  test('get: what there is, and 1 for a name that nobody has', async () => {
    expect(await runCommand(['get'], given)).toEqual({ code: 0, output: 'There are no instances.\n' })
    const none = { code: 1, output: 'No instance is called nobody.\n' }
    expect(await runCommand(['get', 'nobody'], given)).toEqual(none)
  })
})
