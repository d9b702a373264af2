import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openClient } from '../../../lib/kubernetes/client/client.ts'
import { openCluster } from '../../../lib/kubernetes/open-cluster.ts'
import { bareEnvironment, type Command, type Ended, runCommand, startCommand } from '../../support/command.ts'
import { processesWith } from '../../support/processes.ts'
import { type TemporaryFolder, temporaryFolder } from '../../support/temporary-folder.ts'

const run = promisify(execFile)
const signal = AbortSignal.timeout(900_000)
const samples = [
  'crypto-oracle-team-103',
  'pwn-callback-team-101',
  'web-warmup-team-101',
  'web-warmup-team-102',
]

let folder: TemporaryFolder
let firstRun: Ended

beforeAll(async () => {
  folder = await temporaryFolder('cli')
  firstRun = await runCommand(['up', '--once', '--directory', join(folder.path, 'fresh')])
})
afterAll(() => folder?.remove())

/** A row may be late on a busy machine. The last line of the run says that it was written. Migrations have any name. */
function isUnexpected(line: string): boolean {
  const isExpected = /^migrated the database: |"row not written".*DatabaseUnavailable/.test(line)
  return /error|warn/i.test(line) && !isExpected
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
    second = startCommand(['up', '--directory', directory(), '--health-port', '0'])
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

  test('serves health and metrics on the machine itself when it is asked for a port', async () => {
    const address = /health and metrics: (http:\S+:\d+)\/healthz/.exec(second.output)?.[1]
    expect(address).toMatch(/^http:\/\/127\.0\.0\.1:/)
    const ready = await fetch(`${address}/readyz`)
    expect(await ready.json()).toMatchObject({ status: 'ready', parts: { cluster: 'ok', database: 'ok' } })
    const metrics = async () => (await fetch(`${address}/metrics`)).text()
    await expect.poll(metrics, { timeout: 30_000 }).toMatch(/^challenge_operator_api_calls_total\{.*\} \d+$/m)
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

  test('ends in order if a part ends on its own', async () => {
    const up = startCommand(['up', '--no-samples', '--directory', directory()])
    await up.until('the operator is running; Ctrl-C ends it')
    const kubeconfig = join(directory(), 'control-plane/kubeconfig')
    const own = openClient({ connection: { kind: 'kubeconfig', path: kubeconfig }, userAgent: 'test' })
    // The next test finds the policy in the data.
    for (const object of refusesTemplates) await openCluster(own).apply(object, signal)
    await own.close()
    const [etcd = ''] = await processesWith(`--data-dir=${join(directory(), 'control-plane/etcd')}`)
    process.kill(Number(etcd.trim().split(/ +/)[1]), 'SIGKILL')
    // The API server cannot take the lease back without etcd, and the end may cut off what a function does.
    await endsWith(up, /^(\{"level".*\}\n)*etcd ended on its own \(signal SIGKILL\)/)
  })

  test('ends in order if the cluster refuses a sample', async () => {
    const refused = startCommand(['up', '--directory', directory()])
    await endsWith(refused, /^Cannot apply ChallengeTemplate .* no templates today$/)
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
