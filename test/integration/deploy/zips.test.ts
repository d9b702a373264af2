import { request } from 'node:https'
import { setTimeout as sleep } from 'node:timers/promises'
import { GetQueueAttributesCommand, SQSClient } from '@aws-sdk/client-sqs'
import { sql } from 'kysely'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import {
  type ExaminationAnswer,
  type ExaminationRequest,
  examinationSource,
} from '../../../lib/doctor/examination.ts'
import { rightsNeeded } from '../../../lib/kubernetes/install/rights.ts'
import type { Lease } from '../../../lib/kubernetes/lease/record.ts'
import { forwarderLease } from '../../../lib/kubernetes/lease/record.ts'
import { forwarderSeats } from '../../../lib/kubernetes/lease/seat.ts'
import { newestMigration } from '../../../lib/store/migrations.ts'
import { waitUntil } from '../../../local/process/wait.ts'
import type { EksCall, EksFront } from '../../support/aws/eks-front.ts'
import { type Credentials, signatureLifeMs } from '../../support/aws/iam.ts'
import { presignedToken, type TokenParts } from '../../support/aws/presigned-token.ts'
import { instanceCalled, outboxOf, untilConsistent } from '../../support/consistency.ts'
import { type DeployedZips, deployZips, region } from '../../support/deployed-zips.ts'
import { create, remove } from '../../support/edits.ts'
import { instanceOf, templateOf } from '../../support/objects.ts'
import { flagSecret, pepper } from '../../support/operator-parts.ts'
import { sharedControlPlane } from '../../support/shared-parts.ts'

const functions = ['watch-forwarder', 'reconcile', 'timer', 'sweep', 'publish']
const patience = { timeout: 120_000 }

let zips: DeployedZips

beforeAll(async () => {
  zips = await deployZips({ OPERATOR_INTERVAL: '3' })
  await create(zips, templateOf(zips.namespace, 'web'))
}, 300_000)
afterEach(() => {
  zips.eks.clockAheadMs = 0
  zips.eks.isHeld = () => false
  zips.aws.isAway = () => false
})
afterAll(() => zips?.stop())

const until = (what: string, holds: () => boolean | Promise<boolean>, limitMs = 60_000) =>
  waitUntil(what, limitMs, async () => holds(), zips.signal)

/** The short name of the function that made a call. */
const nameOf = ({ session }: { session: { role: { name: string } } | undefined }) =>
  session?.role.name.split(`-${region}-`)[1] ?? 'nobody'

async function untilReady(name: string, team: number): Promise<void> {
  await create(zips, instanceOf(zips.namespace, name, 'web', team))
  await untilConsistent(zips, name, 'Ready')
}

const lease = (name: string) =>
  zips.cluster.get<Lease>(
    { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', namespace: zips.namespace, name },
    zips.signal,
  )
const holderOf = async (name: string) => (await lease(name))?.spec?.holderIdentity

/** The window that leads, by what it has logged. */
function windowOf(identity: string) {
  const leads = (line: string) => line.includes('lease is ours') && line.includes(identity)
  const found = zips.begun.find(({ sandbox }) => sandbox.lines.some(leads))
  if (found === undefined) throw new Error(`no window has the identity ${identity}`)
  return found
}

describe('the deployed functions', patience, () => {
  test('begin a window when a sweep finds that nobody leads, and say who leads', async () => {
    await zips.fire('sweep')
    await until('a leader', async () => Boolean(await holderOf(forwarderLease)))
    const event = { source: 'challenge-operator.deploy', time: new Date().toISOString() }
    const { OPERATOR_STACK: stack } = zips.stack.functions.sweep?.variables ?? {}
    expect(await zips.lambda.invoke('sweep', event)).toMatchObject({ lease: { stack } })
  })

  test('bring an instance up and remove it', async () => {
    // The pass comes back by a timer.
    zips.eks.faults.push({ verb: 'create', resource: 'deployments' })
    // The events stay for the publish function.
    zips.aws.isAway = ({ action }) => action === 'events:PutEvents'
    await untilReady('first', 1)
    const { uid = '' } = (await instanceCalled(zips, 'first'))?.metadata ?? {}
    expect(zips.events(uid)).toEqual([])
    zips.aws.isAway = () => false
    const { outcome } = await zips.fire('publish')
    expect(await outcome).toMatchObject({ result: null })
    expect(zips.events(uid)).toEqual(await outboxOf(zips, uid))
    await remove(zips, 'ChallengeInstance', 'first')
    await untilConsistent(zips, 'first', 'gone')
    const callers = (resource: string) =>
      zips.aws.calls.filter(each => each.resources.some(arn => arn.endsWith(resource))).map(nameOf)
    expect(callers('-timers')).toContain('reconcile')
    expect(callers('-changes.fifo')).toContain('timer')
  })

  test('sweep once by the schedule, and again by the message that a sweep sends itself', async () => {
    const sweeps = () =>
      zips.eks.calls.filter(
        each => nameOf(each) === 'sweep' && each.verb === 'list' && each.resource === 'challengeinstances',
      ).length
    const before = sweeps()
    const { outcome } = await zips.fire('sweep')
    expect(await outcome).toMatchObject({ result: null })
    const first = sweeps()
    expect(first).toBeGreaterThan(before)
    await until('the next sweep', () => sweeps() > first)
  })

  test('get a message again that they leave in a batch', async () => {
    const visibility = () => zips.aws.calls.filter(({ action }) => action === 'sqs:ChangeMessageVisibility')
    zips.eks.faults.push({ verb: 'create', resource: 'deployments' })
    // Without a timer the pass is not acknowledged.
    zips.aws.isAway = ({ action, resources: [arn = ''] }) =>
      action === 'sqs:SendMessage' && arn.endsWith('-timers')
    const ready = untilReady('second', 2)
    await until('a message that is left', () => visibility().length > 0)
    zips.aws.isAway = () => false
    await ready
    expect(visibility().map(nameOf)).toEqual(expect.arrayContaining(['reconcile']))
  })
})

describe('a sandbox of reconcile that was frozen', patience, () => {
  /** The calls of the sandbox that is used first. */
  const calls = () => {
    const [sandbox] = zips.lambda.sandboxes('reconcile')
    return zips.eks.calls.filter(({ session }) => session?.accessKeyId === sandbox?.accessKeyId)
  }
  const outcomesSince = (from: number) =>
    zips.lambda
      .sandboxes('reconcile')
      .flatMap(({ lines }) => lines)
      .flatMap(line => (line.includes('"pass ended"') ? [JSON.parse(line)] : []))
      .filter(({ timestamp }) => Date.parse(timestamp) >= from)
      .map(({ outcome }) => outcome)

  beforeAll(() => untilReady('before', 3))

  test.each([
    { how: 'have closed the old ones', team: 4, end: (eks: EksFront) => eks.cut() },
    { how: 'have forgotten the old ones', team: 7, end: (eks: EksFront) => eks.forget() },
  ])('works on over new connections where the servers $how', async ({ how, team, end }) => {
    const before = calls().length
    end(zips.eks)
    zips.aws.cut()
    const { rows } = await sql<{ ended: boolean }>`
      SELECT pg_terminate_backend(pid) AS ended FROM pg_stat_activity
      WHERE datname = current_database() AND application_name = 'challenge-operator reconcile'
    `.execute(zips.database)
    expect(rows.length).toBeGreaterThan(0)
    const from = Date.now()
    await untilReady(how.replaceAll(' ', '-'), team)
    expect(calls().length).toBeGreaterThan(before)
    expect(new Set(outcomesSince(from))).toEqual(new Set(['settled']))
  })

  test('renews its token where the old one has expired meanwhile', async () => {
    const before = calls()
    const { signedAt = 0 } = before.at(-1) ?? {}
    await until('a token of some seconds', () => Date.now() - signedAt > 6_000)
    // The old token is expired, and a new one is not.
    zips.eks.clockAheadMs = signatureLifeMs - (Date.now() - signedAt) / 2
    const refused = () => zips.eks.calls.filter(({ refusal }) => refusal?.startsWith('Expired')).length
    await untilReady('expired-token', 5)
    expect(refused()).toBeGreaterThan(0)
    const renewed = calls().slice(before.length)
    expect(renewed.length).toBeGreaterThan(0)
    for (const each of renewed) expect(each.signedAt).toBeGreaterThan(signedAt)
  })
})

describe('a leader that was frozen', patience, () => {
  const seats = async () => Promise.all(forwarderSeats.map(holderOf))

  test('sends nothing when it is thawed after its time, and ends', async () => {
    await zips.fire('watch-forwarder')
    await until('a standby', async () => (await seats()).every(Boolean))
    const identity = (await holderOf(forwarderLease)) ?? ''
    const { sandbox, outcome } = windowOf(identity)
    sandbox.freeze()
    const isOfLeader = ({ session }: EksCall) => session?.accessKeyId === sandbox.accessKeyId
    zips.eks.isHeld = call => isOfLeader(call) && call.resource === 'leases'
    await create(zips, instanceOf(zips.namespace, 'in-between', 'web', 6))
    // Its watches receive the new instance, and nothing of what the next leader brings about. It has to find out by itself
    // that it may not lead any more.
    await sleep(2_000)
    zips.eks.isHeld = isOfLeader
    await until(
      'another leader',
      async () => ![identity, ''].includes((await holderOf(forwarderLease)) ?? ''),
    )
    await untilConsistent(zips, 'in-between', 'Ready')
    await zips.fire('watch-forwarder')
    await until('the next window in its seat', async () => !(await seats()).includes(identity))
    const sent = () =>
      zips.aws.calls.filter(({ session }) => session?.accessKeyId === sandbox.accessKeyId).length
    const before = sent()
    sandbox.thaw()
    await sleep(1_000)
    expect(sent()).toBe(before)
    zips.eks.isHeld = () => false
    expect(await outcome).toEqual({ result: null })
    expect(sent()).toBe(before)
  })
})

describe('an invocation by a schedule or an event that fails', patience, () => {
  test('is kept in the dead letters of the function', async () => {
    const { sandbox, outcome } = windowOf((await holderOf(forwarderLease)) ?? '')
    await sandbox.kill()
    expect(await outcome).toMatchObject({ error: { errorType: 'Runtime.ExitError' } })
    const kept = zips.aws.calls.filter(
      ({ action, resources: [arn = ''] }) =>
        action === 'sqs:SendMessage' && arn.endsWith('-windows-dead-letters'),
    )
    expect(kept.map(nameOf)).toEqual(['watch-forwarder'])
  })
})

describe('the rights', () => {
  test('of each role suffice, in the cluster and in AWS', () => {
    const refused = (status: number, { refusal }: EksCall) =>
      [401, 403].includes(status) && !refusal?.startsWith('Expired')
    expect(zips.eks.calls.filter(call => refused(call.status, call))).toEqual([])
    expect(new Set(zips.eks.calls.map(nameOf))).toEqual(
      new Set(['watch-forwarder', 'reconcile', 'sweep', 'nobody']),
    )
    expect(
      zips.aws.calls.filter(({ refusal }) => refusal && !refusal.startsWith('ServiceUnavailable')),
    ).toEqual([])
    expect(new Set(zips.aws.calls.map(nameOf))).toEqual(new Set(functions))
  })
})

describe('the examination by doctor', patience, () => {
  test.each(functions)('finds that %s reaches all that it needs', async name => {
    const namespaces = [zips.namespace]
    const request: ExaminationRequest = {
      source: examinationSource,
      rights: await rightsNeeded({ namespaces, functionName: name }),
      newestMigration,
    }
    const { lines } = (await zips.lambda.invoke(name, request)) as ExaminationAnswer
    expect(lines.filter(({ finding }) => 'problem' in finding || 'unknown' in finding)).toEqual([])
    const parts = [...new Set(lines.map(({ part }) => part))]
    const ofCluster = ['cluster', 'definitions', 'rights', 'lease']
    const expected: Record<string, string[]> = {
      'watch-forwarder': [...ofCluster, 'queue'],
      reconcile: [...ofCluster, 'database', 'queue', 'event bus', 'flag secret', 'flag hmac pepper'],
      timer: ['queue'],
      sweep: [...ofCluster, 'database', 'queue', 'event bus', 'flag secret', 'flag hmac pepper'],
      publish: ['database', 'event bus'],
    }
    expect(parts).toEqual(expected[name])
  })
})

describe('the logs', () => {
  test('contain no secret', () => {
    const lines = functions.flatMap(name => zips.lambda.sandboxes(name)).flatMap(each => each.lines)
    expect(lines.length).toBeGreaterThan(20)
    for (const secret of [flagSecret, pepper, zips.databaseUrl, 'k8s-aws-v1', 'ASIA'])
      expect(lines.filter(line => line.includes(secret))).toEqual([])
  })
})

describe('the fronts', () => {
  const credentialsOf = (name: string) =>
    zips.iam.assume(zips.stack.functions[name]?.roleArn ?? '', 'the test')

  /** Calls the API server with a token. */
  async function statusWith(parts: Partial<TokenParts>, headers: Record<string, string> = {}) {
    const token = await presignedToken({
      ...{ credentials: credentialsOf('reconcile'), cluster: zips.clusterName, region },
      ...parts,
    })
    return statusOf({ authorization: `Bearer ${token}`, ...headers })
  }
  async function statusOf(headers: Record<string, string>): Promise<number | undefined> {
    const { promise, resolve, reject } = Promise.withResolvers<number | undefined>()
    const url = `${zips.eks.endpoint}/api/v1/namespaces/kube-system`
    request(url, { headers, ca: zips.eks.certificate, agent: false }, answer => {
      answer.resume()
      resolve(answer.statusCode)
    })
      .on('error', reject)
      .end()
    return promise
  }

  test('let nobody into the cluster without a token of a role that has an access entry', async () => {
    expect(await statusWith({})).toBe(200)
    expect(await statusWith({ signedAt: new Date(Date.now() - signatureLifeMs - 60_000) })).toBe(401)
    expect(await statusWith({ cluster: 'another' })).toBe(401)
    const guessed = { ...credentialsOf('reconcile'), secretAccessKey: 'guessed' }
    expect(await statusWith({ credentials: guessed })).toBe(401)
    expect(await statusWith({ credentials: credentialsOf('timer') })).toBe(401)
    expect(await statusOf({})).toBe(401)
    expect(await statusOf({ authorization: `Bearer ${sharedControlPlane().token}` })).toBe(401)
  })

  test('give a caller the rights of its role, whatever it says who it is', async () => {
    const credentials = credentialsOf('watch-forwarder')
    const admin = { 'impersonate-user': 'admin', 'impersonate-group': 'system:masters' }
    expect(await statusWith({ credentials }, admin)).toBe(403)
  })

  test('let a role do nothing in AWS that its policies do not allow', async () => {
    const { endpoint } = zips.aws
    const receive = async (credentials: Credentials) => {
      const client = new SQSClient({ region, endpoint, credentials, maxAttempts: 1 })
      const QueueUrl = zips.stack.functions.reconcile?.variables.CHANGES_QUEUE_URL
      const asked = client.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['QueueArn'] }))
      return asked.then(
        () => 'allowed',
        ({ name }: Error) => name,
      )
    }
    expect(await receive(credentialsOf('reconcile'))).toBe('allowed')
    expect(await receive(credentialsOf('watch-forwarder'))).toBe('AccessDeniedException')
    const guessed = { ...credentialsOf('reconcile'), secretAccessKey: 'guessed' }
    expect(await receive(guessed)).toBe('SignatureDoesNotMatch')
  })
})
