import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openClient } from '../../lib/kubernetes/client/client.ts'
import { openCluster } from '../../lib/kubernetes/open-cluster.ts'
import { waitUntil } from '../../local/process/wait.ts'
import { bareEnvironment, type Command, type Ended, runCommand, startCommand } from '../support/command.ts'
import { platformRowsOf, rowsOf, untilConsistent } from '../support/consistency.ts'
import { create } from '../support/edits.ts'
import { instanceOf, templateOf } from '../support/objects.ts'
import { startTestOperator, type TestOperator } from '../support/operator.ts'
import { recordedLog } from '../support/recorded-log.ts'
import { sharedControlPlane, testQueues } from '../support/shared-parts.ts'
import { sweepOnce } from '../support/sweeping.ts'
import { type TemporaryFolder, temporaryFolder } from '../support/temporary-folder.ts'

/** The platform's operator sweeps every two seconds, and so does the other one. */
const env = { OPERATOR_INTERVAL: '2', OPERATOR_RESYNC_MINUTES: '1' }

/** A sample of `npm start`, whose team and challenge the platform knows, too. */
const sample = { name: 'web-warmup-team-101', challenge: 'web-warmup', team: 101 }

const instanceTable = 'challenge_operator.instance'

let folder: TemporaryFolder
let queues: Awaited<ReturnType<typeof testQueues>>
let platform: TestOperator
let other: Command
let ended: Ended
let own: string
let foreign: string

/** `DATABASE_URL=<platform> npm start`: another operator, on a cluster of its own, with the same database. */
beforeAll(async () => {
  folder = await temporaryFolder('shared-database')
  queues = await testQueues()
  const { team, challenge } = sample
  platform = await startTestOperator({ env, queues, challenges: [challenge], teams: [team] })
  own = await platform.cluster.uid(platform.signal)
  await create(platform, templateOf(platform.namespace, challenge))
  await create(platform, instanceOf(platform.namespace, 'of-the-platform', challenge, team))
  await untilConsistent(platform, 'of-the-platform', 'Ready')
  other = startCommand(['up', '--directory', folder.path], {
    ...bareEnvironment(),
    ...env,
    DATABASE_URL: platform.databaseUrl,
  })
  await other.until(`${sample.name}  `)
  await waitUntil(
    'the row of the sample',
    30_000,
    async () => (await sampleRow()) === 'Ready',
    platform.signal,
  )
  await waitUntil(
    'the rows of all samples',
    60_000,
    async () => (await openRows()).length === 5,
    platform.signal,
  )
  foreign = (await clusterUids()).find(uid => uid !== own) ?? ''
})
afterAll(async () => {
  other?.child.kill('SIGTERM')
  await other?.ended
  await platform?.stop()
  await folder?.remove()
})

async function sampleRow(): Promise<string | undefined> {
  const rows = platform.database.selectFrom(instanceTable).select('phase')
  return (await rows.where('name', '=', sample.name).where('deleted_at', 'is', null).executeTakeFirst())
    ?.phase
}

async function clusterUids(): Promise<string[]> {
  const rows = await platform.database.selectFrom(instanceTable).select('cluster').distinct().execute()
  return rows.map(row => row.cluster)
}

const openRows = async () =>
  (
    await platform.database
      .selectFrom(instanceTable)
      .select(['uid', 'cluster'])
      .where('deleted_at', 'is', null)
      .orderBy('uid')
      .execute()
  ).map(row => `${row.cluster}/${row.uid}`)

const endpoint = async () => {
  const [row] = await platformRowsOf(platform, sample.team, sample.challenge)
  return `${row?.status} ${row?.endpoint_url}`
}

/** Waits until both operators have swept. The other one writes a line of each sweep that found something. */
async function untilSwept(): Promise<void> {
  for (let sweep = 0; sweep < 2; sweep++) {
    expect(await sweepOnce(platform, queues)).toMatchObject({ examined: 1, enqueued: 0 })
    await new Promise(resolve => setTimeout(resolve, 2_500))
  }
}

describe('two operators with one database and a cluster each', () => {
  test('write the cluster into their rows', async () => {
    expect((await clusterUids()).toSorted()).toEqual([own, foreign].toSorted())
    expect(await rowsOf(platform, 'of-the-platform')).toMatchObject([{ cluster: own }])
    const client = openClient({
      connection: { kind: 'kubeconfig', path: join(folder.path, 'control-plane', 'kubeconfig') },
      userAgent: 'test',
    })
    expect(await openCluster(client).uid(platform.signal)).toBe(foreign)
    await client.close()
  })

  test('leave the rows of each other open, and the platform has the newest instance', async () => {
    const before = await openRows()
    const shown = await endpoint()
    expect(shown).toContain(`running http://${sample.name}.default.svc`)
    await untilSwept()
    expect(await openRows()).toEqual(before)
    expect(await endpoint()).toBe(shown)
  })

  test('publish the events of their own instances only', async () => {
    const rows = platform.database.selectFrom('challenge_operator.outbox').select(['instance_uid', 'bus'])
    const all = await rows.execute()
    const [row] = await rowsOf(platform, 'of-the-platform')
    const own = all.filter(each => each.instance_uid === row?.uid)
    expect(new Set(own.map(each => each.bus))).toEqual(new Set(['test']))
    const others = all.filter(each => each.instance_uid !== row?.uid)
    expect(new Set(others.map(each => each.bus))).toEqual(new Set(['challenge-operator']))
    expect(others.flatMap(each => platform.events(each.instance_uid))).toEqual([])
    const arrived = async () => platform.events(row?.uid).length >= own.length
    await waitUntil('the events of the own instance', 70_000, arrived, platform.signal)
  })

  test('open a row again whose instance lives, whoever closed it', async () => {
    const [before] = await rowsOf(platform, 'of-the-platform')
    await platform.database
      .updateTable(instanceTable)
      .set({ deleted_at: new Date(), phase: 'Terminating' })
      .where('uid', '=', before?.uid)
      .execute()
    await sweepOnce(platform, queues)
    await untilConsistent(platform, 'of-the-platform', 'Ready')
  })
})

describe('the rows of a cluster that is gone', () => {
  const closeRows = (...options: string[]) =>
    runCommand(['close-rows', ...options], {
      ...bareEnvironment(),
      DATABASE_URL: platform.databaseUrl,
      KUBECONFIG: sharedControlPlane().kubeconfig,
    })

  test('stay open', async () => {
    other.child.kill('SIGINT')
    ended = await other.ended
    expect(ended.code).toBe(0)
    const before = await openRows()
    expect(before.some(row => row.startsWith(`${foreign}/`))).toBe(true)
    await untilSwept()
    expect(await openRows()).toEqual(before)
  })

  test('are told of by each resync, with what to do', async () => {
    const { log, lines } = recordedLog()
    await sweepOnce(platform, queues, { log })
    const [line] = lines.filter(({ message }) => message.startsWith('open rows name another cluster'))
    expect(line?.message).toContain('challenge-operator close-rows')
    expect(line?.fields).toEqual({ cluster: foreign, rows: 4 })
  })

  test('are shown by close-rows, which closes nothing without --yes', async () => {
    const before = await openRows()
    const { code, output } = await closeRows('--cluster', foreign)
    expect(output).toContain(`1 open rows name the cluster ${own} (this one)`)
    expect(output).toContain(`4 open rows of the cluster ${foreign} would be closed`)
    expect(output).toContain(`default/${sample.name}  team ${sample.team}  ${sample.challenge}  Ready`)
    expect(code).toBe(0)
    expect(await openRows()).toEqual(before)
  })

  test('are closed by close-rows --yes, and the platform has the instance that lives', async () => {
    const { output } = await closeRows('--cluster', foreign, '--yes')
    expect(output).toContain('4 rows are closed.')
    const [row] = await rowsOf(platform, 'of-the-platform')
    expect(await openRows()).toEqual([`${own}/${row?.uid}`])
    expect(await endpoint()).toBe(`running ${row?.url}`)
    const closed = await platform.database
      .selectFrom(`${instanceTable} as own`)
      .innerJoin('challenge_operator.outbox as event', 'event.instance_uid', 'own.uid')
      .select(['own.reason', 'event.payload'])
      .where('own.cluster', '=', foreign)
      .where('event.type', '=', 'instance.deleted')
      .execute()
    expect(closed).toHaveLength(4)
    for (const { reason, payload } of closed)
      expect([reason, payload.reason, payload.rebuilt]).toEqual(['ClusterLost', 'ClusterLost', false])
  })

  test('are not closed where the instance lives', async () => {
    const { output } = await closeRows('--cluster', own, '--yes')
    expect(output).toContain('1 open rows are left out: their instances live in this cluster.')
    expect(output).toContain(`There are no open rows of the cluster ${own} to close.`)
  })
})

test('doctor counts the rows that name no cluster', async () => {
  const doctor = () => runCommand(['doctor'], { ...bareEnvironment(), DATABASE_URL: platform.databaseUrl })
  expect((await doctor()).output).toMatch(new RegExp(`^ok +rows +open rows: 1 of the cluster ${own}$`, 'm'))
  const [row] = await rowsOf(platform, 'of-the-platform')
  const unclaimed = { ...row, uid: 'unclaimed', name: 'unclaimed', cluster: null, notes: '{}' }
  await platform.database.insertInto(instanceTable).values(unclaimed).execute()
  const { code, output } = await doctor()
  expect(output).toMatch(
    /^FAIL +rows +1 open rows name no cluster.*\n +→ .*npx challenge-operator close-rows/m,
  )
  expect(code).toBe(1)
  await runCommand(['close-rows', '--yes'], { ...bareEnvironment(), DATABASE_URL: platform.databaseUrl })
  expect(await rowsOf(platform, 'unclaimed')).toMatchObject([{ deleted_at: expect.any(Date) }])
})
