import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openReceiver } from '../../lib/aws/receiver.ts'
import type { ChallengeInstance } from '../../lib/crd/challenge-instance.ts'
import { apiVersion } from '../../lib/crd/group.ts'
import { openClient } from '../../lib/kubernetes/client/client.ts'
import type { KubernetesClient } from '../../lib/kubernetes/client/http.ts'
import type { Cluster } from '../../lib/kubernetes/cluster.ts'
import { readManifests } from '../../lib/kubernetes/install/manifests.ts'
import { openCluster } from '../../lib/kubernetes/open-cluster.ts'
import { version } from '../../lib/version.ts'
import { localCredentials, localRegion } from '../../local/parts/queues.ts'
import { waitUntil } from '../../local/process/wait.ts'
import { createAsAdmin } from '../support/admin-objects.ts'
import { type AuditedPlane, startAuditedPlane } from '../support/audited-plane.ts'
import { bareEnvironment, type Command, type Ended, runCommand, startCommand } from '../support/command.ts'
import { instanceOf } from '../support/objects.ts'
import { processesWith } from '../support/processes.ts'
import { testDatabase, testQueues } from '../support/shared-parts.ts'
import { type TemporaryFolder, temporaryFolder } from '../support/temporary-folder.ts'
import { oldCrds } from './manifests/old-crds.ts'

const run = promisify(execFile)
const signal = AbortSignal.timeout(900_000)
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
/** The environment of a user who has every part already. */
let external: Record<string, string | undefined>
let firstRun: Ended

beforeAll(async () => {
  folder = await temporaryFolder('cli')
  const first = runCommand(['up', '--once', '--directory', join(folder.path, 'fresh')])
  plane = await startAuditedPlane({ full: false, installed: false })
  database = await testDatabase()
  const { changesUrl, timersUrl, deadLettersUrl, clientOptions } = await testQueues()
  external = {
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

/** Makes the cluster one of an older operator, with an instance whose name this version refuses. */
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

/** A row may be late on a busy machine. The last line of the run says that it was written. */
function isUnexpected(line: string): boolean {
  return /error|warn/i.test(line) && !/"row not written".*DatabaseUnavailable/.test(line)
}

describe('the first `up --once` without external parts', () => {
  test('starts every part, shows every transition and exits with 0', () => {
    expect(firstRun.output.split('\n').filter(isUnexpected)).toEqual([])
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

  test('leaves no process behind', async () => {
    expect(await processesWith(folder.path)).toEqual([])
  })
})

describe('the next `up` in the same folder', () => {
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

  test('resumes the data of the first run and creates nothing', () => {
    expect(second.output).not.toMatch(/ (New|Pending|Provisioning)|created|migrated/)
    for (const name of samples) expect(second.output).toMatch(new RegExp(`default/${name} +Ready  `))
  })

  test('writes an environment file that only its owner may read and that works in another shell', async () => {
    expect((await stat(join(directory(), 'env'))).mode & 0o077).toBe(0)
    const { stdout } = await run('kubectl', ['get', 'cinst', '--no-headers'], { env: sourced })
    expect(
      stdout
        .trim()
        .split('\n')
        .map(line => line.split(/ +/).slice(0, 2)),
    ).toEqual(samples.map(name => [name, 'Ready']))
  })

  test('`get` and `doctor` find the running operator from that shell', async () => {
    const got = await runCommand(['get', 'web-warmup-team-101'], sourced)
    expect(got.output).toMatch(
      /^NAMESPACE +NAME +PHASE.*\ndefault +web-warmup-team-101 +Ready +web-warmup +101 .* yes +-\n$/,
    )
    expect(got.code).toBe(0)
    const partly = await runCommand(['get', 'web-warmup-team-101', 'nobody', 'no-one'], sourced)
    expect(partly.output).toMatch(
      /^default +web-warmup-team-101 .*\nNo instance is called nobody or no-one\.\n$/m,
    )
    expect(partly.code).toBe(1)
    const seen = await runCommand(['doctor'], sourced)
    expect(seen.output).toContain('All is well.')
    // The embedded cluster has no roles, since nothing is deployed there.
    const noted = seen.output.split('\n').filter(line => /^(FAIL|-) /.test(line))
    expect(noted).toEqual([expect.stringMatching(/^- +rights +the accounts of the functions have no rights/)])
    expect(seen.code).toBe(0)
  })

  test('`timeline` says what happened to an instance, and that nothing is known of a name', async () => {
    const told = await runCommand(['timeline', 'web-warmup-team-101'], sourced)
    expect(told.output).toMatch(
      /^default\/web-warmup-team-101 {2}team 101 .* {2}uid \S+\n {2}\S+Z {2}created\n(.*\n)* {2}\S+Z {2}ready +http:.*\n {2}now +Ready /,
    )
    expect(told.code).toBe(0)
    const unknown = await runCommand(['timeline', 'nobody'], sourced)
    expect(unknown.output).toMatch(/^Nothing is known of an instance called nobody in default\. .* 30 days /)
    expect(unknown.code).toBe(1)
  })

  test('makes `up` in that shell fail with a sentence', async () => {
    const other = await runCommand(['up', '--directory', directory()], sourced)
    expect(other.output).toContain('which this shell has read; start the operator in another shell')
    expect(other.code).toBe(78)
  })

  test('makes a second `up` in the same folder fail with the process id of the first', async () => {
    const other = await runCommand(['up', '--directory', directory()])
    expect(other.output).toContain(`in use by process ${second.child.pid}`)
    expect(other.code).toBe(1)
  })

  test('makes `--reset` fail and keeps the data', async () => {
    const other = await runCommand(['up', '--once', '--reset', '--directory', directory()])
    expect(other.output).toBe(
      `${directory()} is in use by process ${second.child.pid}; stop that process first\n`,
    )
    expect(other.code).toBe(1)
    expect(existsSync(join(directory(), 'control-plane/etcd'))).toBe(true)
  })

  test('ends in order at Ctrl-C and leaves no process behind', async () => {
    second.child.kill('SIGINT')
    const { code, output } = await second.ended
    expect(output).toMatch(/ending…\nInstances: 4 Ready\. \d+ transitions in \d+ s\.\n$/)
    expect(code).toBe(0)
    expect(await processesWith(folder.path)).toEqual([])
  })
})

describe('an `up` that fails while the functions run', () => {
  const directory = () => join(folder.path, 'fresh')

  /** Expects the end in order: the functions, the parts, and then the sentence as the last output. */
  async function endsWith(command: Command, sentence: RegExp): Promise<void> {
    const { code, output } = await command.ended
    const [, rest = ''] = output.split('ending…\n')
    expect(rest.trimEnd()).toMatch(sentence)
    expect(code).toBe(1)
    expect(await processesWith(folder.path)).toEqual([])
  }

  test('ends in order if the cluster refuses a sample', async () => {
    const plain = startCommand(['up', '--no-samples', '--directory', directory()])
    await plain.until('the operator is running; Ctrl-C ends it')
    const kubeconfig = join(directory(), 'control-plane/kubeconfig')
    const own = openClient({ connection: { kind: 'kubeconfig', path: kubeconfig }, userAgent: 'test' })
    for (const object of refusesTemplates) await openCluster(own).apply(object, signal)
    await own.close()
    plain.child.kill('SIGINT')
    expect((await plain.ended).code).toBe(0)

    const refused = startCommand(['up', '--directory', directory()])
    await endsWith(refused, /^Cannot apply ChallengeTemplate .* no templates today$/)
  })

  test('ends in order if a part ends on its own', async () => {
    const up = startCommand(['up', '--no-samples', '--directory', directory()])
    await up.until('the operator is running; Ctrl-C ends it')
    const [etcd = ''] = await processesWith(`--data-dir=${join(directory(), 'control-plane/etcd')}`)
    process.kill(Number(etcd.trim().split(/ +/)[1]), 'SIGKILL')
    // The API server cannot take the lease back without etcd.
    await endsWith(up, /^(.*lease could not be given up.*\n)?etcd ended on its own \(signal SIGKILL\)/)
  })
})

/** A policy that refuses every template, and its binding. */
const refusesTemplates = [
  {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'ValidatingAdmissionPolicy',
    metadata: { name: 'no-templates' },
    spec: {
      matchConstraints: {
        resourceRules: [
          {
            apiGroups: ['infra.ctf.example.com'],
            apiVersions: ['v1alpha1'],
            operations: ['CREATE', 'UPDATE'],
            resources: ['challengetemplates'],
          },
        ],
      },
      validations: [{ expression: 'false', message: 'no templates today' }],
    },
  },
  {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'ValidatingAdmissionPolicyBinding',
    metadata: { name: 'no-templates' },
    spec: { policyName: 'no-templates', validationActions: ['Deny'] },
  },
]

describe('a command that cannot start', () => {
  test.each(['up', 'doctor', 'get', 'crds'])(
    '%s names every problem of the configuration at once and exits with 78',
    async command => {
      const wrong = {
        OPERATOR_INTERVAL: 'soon',
        OPERATOR_NAMESPACES: 'a',
        FLAG_SECRET: 'short',
        OPERATOR_DNS: '?',
        DATABASE_URL: command === 'get' || command === 'crds' ? external.DATABASE_URL : 'mysql://a:short@b/c',
      }
      const directory = join(folder.path, 'never')
      const args = command === 'up' ? [command, '--directory', directory] : [command]
      const { code, output } = await runCommand(args, { ...external, ...wrong })
      for (const [name, value] of Object.entries(wrong))
        if (value !== external[name]) expect(output).toContain(name)
      expect(output).not.toContain('    at ')
      expect(output).not.toContain('short\n')
      expect(code).toBe(78)
      expect(existsSync(join(directory, 'postgres'))).toBe(false)
    },
  )

  test('a kubeconfig that does not exist ends a command with 78', async () => {
    const { code, output } = await runCommand(['get'], { ...external, KUBECONFIG: '/no/such/file' })
    expect(output).toMatch(/^KUBECONFIG names \/no\/such\/file, which does not exist/)
    expect(code).toBe(78)
  })

  test('--version prints the version of the package', async () => {
    expect(await runCommand(['--version'])).toEqual({ code: 0, output: `${version}\n` })
  })

  test('doctor says so if no part is named', async () => {
    const { code, output } = await runCommand(['doctor'])
    expect(output).toContain('No part is named, so nothing was checked.')
    expect(output).not.toContain('All is well')
    expect(code).toBe(0)
  })

  test('up without Go and without a cluster names the ways out and leaves no process behind', async () => {
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

  test('up --reset in a folder of somebody else removes nothing and exits with 1', async () => {
    const home = join(folder.path, 'home')
    await mkdir(join(home, 'postgres'), { recursive: true })
    const { code, output } = await runCommand(['up', '--reset', '--directory', home], external)
    expect(output).toMatch(/^--reset removes nothing: .* was not made by this command/)
    expect(code).toBe(1)
    expect(await readdir(home)).toEqual(['postgres'])
  })

  test.each([
    ['migrate', 'DATABASE_URL'],
    ['close-rows', 'DATABASE_URL'],
    ['get', 'KUBECONFIG'],
    ['crds', 'KUBECONFIG'],
    ['forward', 'CHANGES_QUEUE_URL'],
  ])('%s without %s names that variable', async (command, variable) => {
    const { code, output } = await runCommand([command])
    expect(output).toContain(variable)
    if (command === 'forward') expect(output).toContain('No cluster is given')
    expect(code).toBe(78)
  })
})

/** Returns the PATH with each folder that holds `go` replaced by links to everything else in it. */
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

describe('the commands with external parts', () => {
  let up: Command | undefined
  afterAll(async () => {
    up?.child.kill('SIGTERM')
    await up?.ended
  })

  test('doctor names each problem and its remedy', async () => {
    const changesUrl = external.CHANGES_QUEUE_URL?.replace('.fifo', '-not.fifo')
    const env = { ...external, CHANGES_QUEUE_URL: changesUrl, OPERATOR_PLATFORM: 'none' }
    const { code, output } = await runCommand(['doctor'], env)
    expect(output).toMatch(/^- +configuration +OPERATOR_PLATFORM has no effect in this release\.$/m)
    expect(output).toMatch(/^ok +cluster +Kubernetes v1.*, as user \S+$/m)
    expect(output).toMatch(/^ok +cluster tls +encrypted and verified; .* valid until \d{4}-/m)
    expect(output).toMatch(/^ok +cluster clock +this machine and the cluster agree/m)
    expect(output).toMatch(
      /^FAIL +policies .*challenge-operator-templates is missing.*\n +→ run: npx challenge-operator crds/m,
    )
    expect(output).toMatch(/^- +rights +the accounts of the functions have no rights/m)
    expect(output).toMatch(/^ok +rights +this user, \S+, may do everything that the functions do$/m)
    expect(output).toMatch(/^FAIL +schema .*an older operator's.*\n +→ run: npx challenge-operator crds/m)
    expect(output).toMatch(/^FAIL +changes .*\n +→ check CHANGES_QUEUE_URL/m)
    expect(output).toMatch(
      /^FAIL +database +the operator's tables are missing or older .*\n +→ run: npx challenge-operator migrate/m,
    )
    expect(output).toMatch(/^ok +timers /m)
    expect(code).toBe(1)
  })

  test('doctor tells refused credentials from a missing resource definition', async () => {
    const config = await readFile(plane.kubeconfig, 'utf8')
    const refused = join(folder.path, 'refused.kubeconfig')
    await writeFile(refused, config.replace(/("?token"?: *)[^\s,}]+/, '$1"refused"'))
    const { code, output } = await runCommand(['doctor'], { ...external, KUBECONFIG: refused })
    expect(output).toMatch(
      /^FAIL +cluster +the cluster does not accept the credentials of KUBECONFIG \(401\)\n +→ log in again/m,
    )
    expect(output).toMatch(/^- +schema +not checked, because the check of the cluster failed$/m)
    expect(output).not.toMatch(/challenge-operator crds/)
    expect(code).toBe(1)
  })

  test('doctor checks the accounts of the functions once their roles are there', async () => {
    const roles = await readManifests('rbac')
    for (const object of roles) await createAsAdmin(client, object, signal)
    const granted = (await runCommand(['doctor'], external)).output
    for (const name of ['watch-forwarder', 'reconcile', 'sweep'])
      expect(granted).toMatch(
        new RegExp(`^ok +rights +${name}: the group challenge-operator:${name} may do everything`, 'm'),
      )
    const lessNamed = 'challenge-operator-sweep'
    const path = `/apis/rbac.authorization.k8s.io/v1/clusterroles/${lessNamed}`
    const contentType = 'application/json-patch+json'
    const body = [{ op: 'remove', path: '/rules/0' }]
    expect((await client.request('PATCH', path, { body, contentType }, signal)).status).toBe(200)
    const less = (await runCommand(['doctor'], external)).output
    expect(less).toMatch(
      /^FAIL +rights +sweep: the group challenge-operator:sweep may not: .*\n +→ apply manifests/m,
    )
    expect(less).toMatch(/^ok +rights +reconcile: /m)
  })

  test('migrate creates the tables once and does nothing the second time', async () => {
    expect(await runCommand(['migrate'], external)).toEqual({
      code: 0,
      output: expect.stringMatching(/^migrated: /),
    })
    expect(await runCommand(['migrate'], external)).toEqual({
      code: 0,
      output: 'the database is up to date\n',
    })
  })

  test('up upgrades the CRDs of an older operator, says so, and creates nothing else', async () => {
    const before = (await plane.calls(signal)).length
    up = startCommand(['up', '--directory', join(folder.path, 'external')], {
      ...external,
      OPERATOR_PLATFORM: 'none',
    })
    await up.until('the operator is running')
    expect(up.output).toContain('OPERATOR_PLATFORM has no effect in this release.\n')
    for (const part of ['cluster', 'database', 'queues']) expect(up.output).toContain(`${part}: external`)
    for (const kind of ['instances', 'templates'])
      expect(up.output).toContain(`upgraded customresourcedefinition/challenge${kind}.infra.ctf.example.com`)
    await up.until('NameInvalid')

    const reference = { apiVersion, kind: 'ChallengeInstance', namespace: 'default', name: '1st.bad' }
    const stalled = await cluster.get<ChallengeInstance>(reference, signal)
    expect(stalled?.status?.message).toContain('The name "1st.bad" cannot name a Service')
    await cluster.delete(reference, {}, signal)
    await up.until('gone')
    expect(await cluster.get(reference, signal)).toBeUndefined()
    const gone = await runCommand(['timeline', 'default/1st.bad', '-o', 'json'], external)
    expect(JSON.parse(gone.output)).toMatchObject([
      {
        deletedAt: expect.stringMatching(/Z$/),
        events: [
          { type: 'instance.failed', reason: 'NameInvalid', message: stalled?.status?.message },
          { type: 'instance.deleted' },
        ],
      },
    ])
    up.child.kill('SIGINT')
    expect((await up.ended).code).toBe(0)

    const calls = (await plane.calls(signal)).slice(before)
    const ours = calls.filter(
      ({ userAgent, code }) => userAgent.startsWith('challenge-operator/') && code < 300,
    )
    const writes = ours.filter(({ verb, uri }) => verb !== 'get' && !uri.includes('dryRun=All'))
    const made = writes.filter(({ verb, uri }) => verb === 'create' || uri.includes('force=true'))
    expect([...new Set(made.map(({ resource }) => resource))].toSorted()).toEqual([
      'configmaps',
      'customresourcedefinitions',
      // What went wrong with the instance.
      'events',
      'leases',
      'validatingadmissionpolicies',
      'validatingadmissionpolicybindings',
    ])
    expect(await processesWith(folder.path)).toEqual([])
  })

  test('crds changes nothing the second time', async () => {
    const { code, output } = await runCommand(['crds'], external)
    expect(code).toBe(0)
    expect(
      output
        .trim()
        .split('\n')
        .map(line => line.split(' ')[0]),
    ).toEqual(Array(11).fill('unchanged'))
  })

  test('forward takes the lease, sends messages, and releases the lease at its end', async () => {
    // It has queues of its own, because the SQS server may hand a message to a poll that `up` left behind.
    const { changesUrl, clientOptions } = await testQueues()
    const forward = startCommand(['forward'], { ...external, CHANGES_QUEUE_URL: changesUrl })
    await forward.until('lease is ours, leading')
    const body = instanceOf('default', 'forwarded', 'web', 1)
    const path = `/apis/${apiVersion}/namespaces/default/challengeinstances`
    await client.request('POST', path, { body }, signal)
    const receiver = openReceiver({ queueUrl: changesUrl, clientOptions })
    const received: unknown[] = []
    // A receive may return early with no message.
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

  test('get lists the instances and exits with 1 for a name that no instance has', async () => {
    expect(await runCommand(['get'], external)).toEqual({ code: 0, output: 'There are no instances.\n' })
    const none = { code: 1, output: 'No instance is called nobody.\n' }
    expect(await runCommand(['get', 'nobody'], external)).toEqual(none)
  })
})
