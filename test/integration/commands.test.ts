import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import type { ChallengeInstance } from '../../lib/crd/challenge-instance.ts'
import { annotations } from '../../lib/crd/group.ts'
import type { Stored } from '../../lib/crd/objects.ts'
import { parseTime } from '../../lib/lifetime.ts'
import type { ChangeMessage } from '../../lib/messages.ts'
import { carryOut } from '../../local/commands/actions/carry-out.ts'
import { type ActionOptions, runRenew, runSimpleAction } from '../../local/commands/actions/commands.ts'
import type { Selection } from '../../local/commands/actions/selection.ts'
import { restart } from '../../local/commands/actions/simple-actions.ts'
import {
  type CreditOptions,
  runCredit,
  runShowClock,
  runSwitchClock,
} from '../../local/commands/clock/commands.ts'
import { runListDeadLetters, runRetryDeadLetters } from '../../local/commands/dead-letters/commands.ts'
import { runGet } from '../../local/commands/get.ts'
import { localCredentials, localRegion } from '../../local/parts/queues.ts'
import { waitUntil } from '../../local/process/wait.ts'
import { instanceCalled, rowsOf, untilConsistent } from '../support/consistency.ts'
import { edit, remove } from '../support/edits.ts'
import { type FaultyOperator, startFaultyOperator } from '../support/faulty-operator.ts'
import { instanceOf, templateOf } from '../support/objects.ts'
import { eventually, phaseOf } from '../support/operator.ts'
import { sharedControlPlane } from '../support/shared-parts.ts'

let operator: FaultyOperator
/** The environment of the user's shell. */
let env: Record<string, string>

/** No sweep runs, so that only the commands repair what the tests break. */
beforeAll(async () => {
  operator = await startFaultyOperator({ challenges: ['web', 'other'] })
  const { cluster, namespace, signal, queues } = operator
  env = {
    KUBECONFIG: sharedControlPlane().kubeconfig,
    OPERATOR_NAMESPACE: namespace,
    AWS_ENDPOINT_URL_SQS: String(queues.clientOptions.endpoint),
    CHANGES_QUEUE_URL: queues.changesUrl,
    TIMERS_QUEUE_URL: queues.timersUrl,
    SWEEPS_QUEUE_URL: queues.sweepsUrl,
    DEAD_LETTERS_QUEUE_URL: queues.deadLettersUrl,
  }
  // The SDK reads these itself.
  vi.stubEnv('AWS_REGION', localRegion)
  vi.stubEnv('AWS_ACCESS_KEY_ID', localCredentials.accessKeyId)
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', localCredentials.secretAccessKey)
  await cluster.create(templateOf(namespace, 'web', { ttlMinutes: 60, maxTtlMinutes: 90 }), signal)
  await cluster.create(templateOf(namespace, 'other'), signal)
  for (const [name, template, team] of [
    ['web-1', 'web', 1],
    ['web-2', 'web', 2],
    ['other-1', 'other', 1],
  ] as const)
    await cluster.create(instanceOf(namespace, name, template, team), signal)
  for (const name of ['web-1', 'web-2', 'other-1']) await untilConsistent(operator, name, 'Ready')
})
afterAll(async () => {
  vi.unstubAllEnvs()
  await operator?.stop()
})

interface Ran {
  code: number
  lines: string[]
}

async function running(run: (print: (line: string) => void) => Promise<number>): Promise<Ran> {
  const lines: string[] = []
  const code = await run(line => lines.push(line))
  return { code, lines: lines.map(line => line.replaceAll(`${operator.namespace}/`, '')) }
}

const options = (selection: Partial<Selection>, yes = false): ActionOptions => ({
  selection: { names: [], ...selection },
  all: false,
  yes,
  dryRun: false,
})

const acting = (command: Parameters<typeof runSimpleAction>[0], selection: Partial<Selection>, yes = false) =>
  running(print => runSimpleAction(command, env, options(selection, yes), print, operator.signal))

const renewing = (selection: Partial<Selection>, wish: { minutes?: number; until?: number }, yes = false) =>
  running(print => {
    const { minutes, until } = wish
    return runRenew(env, { ...options(selection, yes), minutes, until }, print, operator.signal)
  })

const getting = (selection: Partial<Selection>, json = false) =>
  running(print =>
    runGet(
      env,
      { selection: { names: [], ...selection }, watch: false, json, print, warn: print },
      operator.signal,
    ),
  )

const found = (name: string) => instanceCalled(operator, name) as Promise<Stored<ChallengeInstance>>

describe('get', () => {
  test('prints the instances that fit every selector', async () => {
    const ofTeam = await getting({ team: 1, template: 'web', phases: ['Ready'] })
    expect(ofTeam.lines.map(line => line.split(/ +/)[1])).toEqual(['NAME', 'web-1'])
    expect(await getting({ event: 9 })).toEqual({ code: 0, lines: ['No instance fits the selection.'] })
  })

  test('prints whole objects as JSON, without their managed fields', async () => {
    const { lines } = await getting({ names: ['web-2'] }, true)
    const { items } = JSON.parse(lines.join('')) as { items: ChallengeInstance[] }
    expect(items).toMatchObject([{ metadata: { name: 'web-2' }, status: { phase: 'Ready' } }])
    expect(items[0]?.metadata).not.toHaveProperty('managedFields')
  })

  test('goes on with every change of what it shows, until it is stopped', async () => {
    const stopping = new AbortController()
    const lines: string[] = []
    const print = (line: string) => void lines.push(line)
    const selection = { names: ['web-2', 'watched'] }
    const watching = runGet(
      env,
      { selection, watch: true, json: false, print, warn: print },
      AbortSignal.any([stopping.signal, operator.signal]),
    )
    const says = (text: RegExp) =>
      waitUntil(`${text}`, 20_000, async () => lines.some(line => text.test(line)), operator.signal)
    await says(/ web-2 +Ready /)
    const { cluster, namespace, signal } = operator
    await cluster.create(instanceOf(namespace, 'watched', 'web', 3), signal)
    await says(/ watched +Ready /)
    await remove(operator, 'ChallengeInstance', 'watched')
    await says(/ watched +Gone /)
    stopping.abort()
    expect(await watching).toBe(0)
    expect(lines[0]).toMatch(/^NAMESPACE +NAME +PHASE/)
    expect(lines.filter(line => line.includes(' web-2 '))).toHaveLength(1)
    expect(lines.some(line => line.includes(' web-1 '))).toBe(false)
  })
})

describe('renew', () => {
  test('is a dry run for more than one instance', async () => {
    const before = (await found('web-1')).metadata.generation
    const { code, lines } = await renewing({ template: 'web' }, { minutes: 70 })
    expect(code).toBe(0)
    expect(lines).toEqual([
      expect.stringMatching(
        /^web-1 {2}Ready {2}event 1, team 1 {2}would be renewed: the end is .*Z in place of .*Z$/,
      ),
      expect.stringMatching(/^web-2 {2}/),
      '2 of 2 instances would be renewed. Nothing has been changed yet. Run the command again with --yes to carry it out.',
    ])
    expect((await found('web-1')).metadata.generation).toBe(before)
  })

  test('moves the ends with --yes, and says where the template cut one', async () => {
    const until = Date.now() + 3 * 3_600_000
    const ends = await renewing({ template: 'web' }, { until: Math.floor(until / 1000) * 1000 }, true)
    expect(ends.code).toBe(0)
    const { metadata, status } = await found('web-1')
    const furthest = (parseTime(metadata.creationTimestamp) ?? 0) + 90 * 60_000
    expect(parseTime(status?.expiresAt)).toBe(furthest)
    expect(ends.lines.filter(line => /^web-\d .*maxTtlMinutes/.test(line))).toHaveLength(2)
    expect(ends.lines.at(-1)).toBe('2 of 2 instances are renewed.')
    const again = await renewing({ names: ['web-1'] }, { minutes: 85 })
    expect(again).toMatchObject({ code: 0, lines: [expect.stringContaining('web-1  stays as it is: ')] })
  })

  test('leaves an instance without an end, and refuses one that is being deleted', async () => {
    const { cluster, namespace, signal } = operator
    expect(await renewing({ names: ['other-1'] }, {})).toEqual({
      code: 0,
      lines: ['other-1  stays as it is: it has no end'],
    })
    await cluster.create(instanceOf(namespace, 'going', 'web', 3), signal)
    await untilConsistent(operator, 'going', 'Ready')
    await edit(operator, 'Deployment', 'going', { metadata: { finalizers: ['example.com/holds'] } })
    await remove(operator, 'ChallengeInstance', 'going')
    expect(await renewing({ names: ['going'] }, {})).toEqual({
      code: 1,
      lines: [expect.stringContaining('going  is not renewed: it is too late')],
    })
    await edit(operator, 'Deployment', 'going', { metadata: { finalizers: null } })
    await eventually(operator, 'ChallengeInstance', 'going', each => each === undefined)
  })
})

describe('sleep, wake, restart and stop', () => {
  test('act on one instance at once', async () => {
    const first = (await found('web-1')).status?.podName
    expect(await acting('restart', { names: ['web-1'] })).toEqual({ code: 0, lines: ['web-1  is restarted'] })
    const restarted = async () => {
      const { status } = await found('web-1')
      return status?.phase === 'Ready' && status.podName !== undefined && status.podName !== first
    }
    await waitUntil('another pod', 30_000, restarted, operator.signal)
    expect((await acting('sleep', { names: ['web-1'] })).lines).toEqual(['web-1  is put to sleep'])
    await phaseOf(operator, 'web-1', 'Idle', 'Suspended')
    expect((await acting('restart', { names: ['web-1'] })).lines).toEqual([
      'web-1  stays as it is: it sleeps, and gets a new pod when it wakes',
    ])
    expect((await acting('wake', { reasons: ['Suspended'] })).lines).toEqual(['web-1  is woken'])
    await phaseOf(operator, 'web-1', 'Ready')
    expect((await acting('wake', { names: ['web-1'] })).lines).toEqual([
      'web-1  stays as it is: it does not sleep',
    ])
  })

  test('name what fails one by one, and end with 1', async () => {
    expect(await acting('stop', { names: ['nobody'] })).toEqual({
      code: 1,
      lines: ['No instance is called nobody.'],
    })
    expect((await acting('stop', {})).code).toBe(1)
    const both = await acting('stop', { names: ['other-1', 'web-2', 'nobody'] }, true)
    expect(both.code).toBe(1)
    expect(both.lines[0]).toBe('No instance is called nobody.')
    // Several are deleted at a time, so any of them may be the first.
    expect(both.lines.slice(1, -1).toSorted()).toEqual([
      'other-1  is stopped: the instance is deleted',
      'web-2  is stopped: the instance is deleted',
    ])
    expect(both.lines.at(-1)).toBe('2 of 2 instances are stopped.')
    for (const name of ['other-1', 'web-2'])
      await eventually(operator, 'ChallengeInstance', name, each => each === undefined)
  })
})

test('an instance that was changed after it was read is decided about again', async () => {
  const stale = await found('web-1')
  await edit(operator, 'ChallengeInstance', 'web-1', { metadata: { annotations: { note: 'changed' } } })
  const at = Date.parse('2026-11-29T12:00:00Z')
  const { cluster, signal } = operator
  const results = await carryOut(cluster, restart(at), [stale], { onResult() {} }, signal)
  expect(results).toMatchObject([{ outcome: 'done' }])
  expect(await found('web-1')).toMatchObject({
    metadata: { annotations: { note: 'changed' } },
    spec: { restartedAt: '2026-11-29T12:00:00.000Z' },
  })
  await untilConsistent(operator, 'web-1', 'Ready')
})

describe('clock', () => {
  const switching = (kind: 'paused' | 'lockdown', value: boolean) =>
    running(print => runSwitchClock(env, { kind, value }, print, operator.signal))
  const crediting = (minutes: number, parts: Partial<CreditOptions> = {}) =>
    running(print =>
      runCredit(
        env,
        {
          id: undefined,
          minutes,
          event: undefined,
          template: undefined,
          team: undefined,
          yes: false,
          ...parts,
        },
        print,
        operator.signal,
      ),
    )
  const endOf = async (name: string) => parseTime((await found(name)).status?.expiresAt) ?? 0

  test('pauses and resumes, and gives credits that move ends', { timeout: 120_000 }, async () => {
    const paused = await switching('paused', true)
    expect(paused).toEqual({
      code: 0,
      lines: ['ConfigMap challenge-operator is written.', 'The operator acts on it.'],
    })
    expect((await switching('paused', true)).lines[0]).toBe('ConfigMap challenge-operator says so already.')
    const shown = await running(print => runShowClock(env, print, operator.signal))
    expect(shown.code).toBe(0)
    expect(shown.lines).toEqual([expect.stringMatching(/^paused +yes/), 'lockdown  no', 'credits   none'])
    expect((await switching('paused', false)).code).toBe(0)

    const before = await endOf('web-1')
    const taken = await crediting(-20, { template: 'web' })
    expect(taken.lines.at(-1)).toContain('Nothing has been changed yet.')
    const given = await crediting(20, { template: 'web', id: 'outage' })
    expect(given).toEqual({
      code: 0,
      lines: [
        '20 minutes for template web: 1 instance lives now.',
        'ConfigMap challenge-operator is written; the credit is outage.',
        'The operator acts on it.',
      ],
    })
    await waitUntil(
      'the credited end',
      30_000,
      async () => (await endOf('web-1')) === before + 20 * 60_000,
      operator.signal,
    )
    expect(await crediting(20, { id: 'outage' })).toMatchObject({ code: 1 })
  })
})

describe('dead-letters', () => {
  const letters = async () => {
    const { lines } = await running(print =>
      runListDeadLetters(env, { ...all, json: true }, print, operator.signal),
    )
    return (JSON.parse(lines.join('')) as { letters: Record<string, unknown>[] }).letters
  }
  const all = { selection: { names: [] }, queue: undefined }
  const retrying = (yes: boolean) =>
    running(print => runRetryDeadLetters(env, { ...all, yes, dryRun: false }, print, operator.signal))

  const bury = (body: string, group: string) =>
    operator.queues.deadLetters.send(body, group, 'Internal: it broke', operator.signal)

  const change = (name: string, uid: string): ChangeMessage => ({
    v: 1,
    namespace: operator.namespace,
    name,
    uid,
    resourceVersion: '1',
    cause: 'child',
    attempt: 8,
    at: '2026-11-29T12:00:00Z',
  })

  test('are listed with what they are about, and all of them stay', async () => {
    const { uid } = (await found('web-1')).metadata
    await bury(JSON.stringify(change('web-1', uid)), 'web-1')
    await bury('{"v":9}', 'unreadable')
    const [gone] = await rowsOf(operator, 'web-2')
    await bury(JSON.stringify(change('web-2', gone?.uid)), 'web-2')
    const expected = [
      { about: { kind: 'ChallengeInstance', name: 'web-1', uid }, cause: 'child', now: { phase: 'Ready' } },
      { about: { kind: 'ChallengeInstance', name: 'web-2' }, now: 'gone', why: 'Internal: it broke' },
      { about: null, cause: null, now: null },
    ]
    for (let times = 0; times < 2; times++) {
      const listed = await letters()
      expect(listed).toHaveLength(3)
      expect(listed).toEqual(
        expect.arrayContaining(expected.map(each => expect.objectContaining(like(each)))),
      )
    }
  })

  test('are retried by a look at the instance that lives, and by the clean-up after one that is gone', async () => {
    const { database, namespace } = operator
    const open = { deleted_at: null }
    await database
      .updateTable('challenge_operator.instance')
      .set(open)
      .where('name', '=', 'web-2')
      .where('namespace', '=', namespace)
      .execute()
    const planned = await retrying(false)
    expect(planned.code).toBe(0)
    expect(planned.lines.at(-1)).toContain('Nothing has been done about these 3 letters yet.')
    expect(await letters()).toHaveLength(3)

    const done = await retrying(true)
    expect(done.code).toBe(1)
    expect(done.lines).toEqual([
      expect.stringMatching(
        /^letter [\w-]+ {2}is not retried: message has version 9.*it stays in the queue$/,
      ),
      '2 of 3 letters are retried and removed. 1 stays in the queue.',
    ])
    expect(await letters()).toMatchObject([{ about: null }])
    const { metadata } = await found('web-1')
    const asked = metadata.annotations?.[annotations.forceSync]
    expect(asked).toBeDefined()
    await eventually<ChallengeInstance>(
      operator,
      'ChallengeInstance',
      'web-1',
      each => each?.status?.handledSync === asked,
    )
    const isClosed = async () => (await rowsOf(operator, 'web-2')).every(row => row.deleted_at !== null)
    await waitUntil('the closed row', 20_000, isClosed, operator.signal)
  })
})

/** The same shape, in which objects may have more fields. */
function like(shape: Record<string, unknown>): Record<string, unknown> {
  const entries = Object.entries(shape).map(([key, value]) => [
    key,
    typeof value === 'object' && value !== null ? expect.objectContaining(value) : value,
  ])
  return Object.fromEntries(entries)
}
