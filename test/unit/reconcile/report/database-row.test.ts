import { describe, expect, test } from 'vitest'
import { OperatorError } from '../../../../lib/errors.ts'
import type { Cluster } from '../../../../lib/kubernetes/cluster.ts'
import { reasons } from '../../../../lib/reasons.ts'
import { databaseShareMs } from '../../../../lib/reconcile/pass/database-share.ts'
import { closeGoneRow, closeRow, recordOf, recordRow } from '../../../../lib/reconcile/report/database-row.ts'
import type { InstanceRecord, Recorded, Store } from '../../../../lib/store/store.ts'
import { storedInstance } from '../../../support/objects.ts'
import { keptLog } from '../../functions/lambda-events.ts'

/** A cluster called `cluster-1` that has no instance, unless the parts say otherwise. */
function clusterWith(parts: Partial<Cluster>): Cluster {
  const getMetadata = async () => undefined
  return { uid: async () => 'cluster-1', getMetadata, ...parts } as Partial<Cluster> as Cluster
}

/** A store that answers to every write, and keeps the writes. */
function answering(answer: Recorded) {
  const written: [string, Partial<InstanceRecord>][] = []
  const write = (what: string) => async (record: Partial<InstanceRecord>) => {
    written.push([what, record])
    return answer
  }
  const store = {
    record: write('record'),
    reopen: write('reopen'),
    closeGone: write('closeGone'),
  } as Partial<Store> as Store
  return { store, written }
}

const first = { waits: 0 }
const deleted = { why: 'deleted', waits: 0 } as const
const never = new AbortController().signal
const record = recordOf({ instance: storedInstance() }, { phase: 'Ready' }, undefined)
const key = { namespace: 'ctf', name: 'web-7', uid: 'instance-uid' }

function failing(error: Error) {
  const fail = async () => {
    throw error
  }
  const store = { record: fail, reopen: fail, close: fail, closeGone: fail } as Partial<Store> as Store
  return { cluster: clusterWith({}), store, log: keptLog() }
}

const advice =
  'the database lacks our tables, or has old ones; run `challenge-operator migrate` (SQLSTATE 42P01)'
const withoutTables = new OperatorError('DatabaseUnavailable', advice)

describe('a row that cannot be written', () => {
  test('is logged with the error of the store, when it is recorded and when it is closed', async () => {
    const deps = failing(withoutTables)
    await recordRow(deps, record, first, never)
    await closeRow(deps, storedInstance(), deleted, never)
    const line = { level: 'warn', message: 'row not written', fields: { ...key, error: withoutTables } }
    expect(deps.log.lines).toEqual([line, line])
  })

  test('has the sentence of the store in the Synced condition', async () => {
    const { sync } = await recordRow(failing(withoutTables), record, first, never)
    expect(sync).toEqual({
      ok: false,
      reason: 'DatabaseUnavailable',
      message: `The row is not written: ${advice}.`,
    })
  })

  test('has the fixed sentence in the Synced condition after a programming error', async () => {
    const { sync } = await recordRow(failing(new TypeError('x is not a function')), record, first, never)
    expect(sync).toEqual({ ok: false, reason: 'Internal', message: reasons.Internal.sentence })
  })

  test('is closed later for the reason of the failure', async () => {
    expect(await closeRow(failing(withoutTables), storedInstance(), deleted, never)).toEqual({
      events: 0,
      failed: 'DatabaseUnavailable',
      wakes: [],
    })
    const refused = new OperatorError('Internal', 'the database refused what we wrote (SQLSTATE 22001)')
    expect(await closeRow(failing(refused), storedInstance(), deleted, never)).toMatchObject({
      failed: 'Internal',
    })
  })

  test('ends the pass if the signal aborted', async () => {
    const aborted = AbortSignal.abort(new Error('deadline'))
    await expect(closeRow(failing(withoutTables), storedInstance(), deleted, aborted)).rejects.toThrow(
      'deadline',
    )
  })
})

const forbidden = new OperatorError('Forbidden', 'User "x" cannot get resource "namespaces"')
const nameless = clusterWith({
  uid: async () => {
    throw forbidden
  },
})
const unchanged: Recorded = { problem: undefined, events: 0, closed: false }

describe('the cluster of a row', () => {
  test('is written with every record', async () => {
    const { store, written } = answering(unchanged)
    const { sync } = await recordRow(
      { cluster: clusterWith({}), store, log: keptLog() },
      record,
      first,
      never,
    )
    expect(sync.ok).toBe(true)
    expect(written).toEqual([['record', { ...record, cluster: 'cluster-1' }]])
  })

  test('is left out if it cannot be read, and the Synced condition says why', async () => {
    const { store, written } = answering(unchanged)
    const { sync } = await recordRow({ cluster: nameless, store, log: keptLog() }, record, first, never)
    expect(written).toEqual([['record', { ...record, cluster: undefined }]])
    expect(sync).toEqual({
      ok: false,
      reason: 'Forbidden',
      message: `The row does not name its cluster yet: ${forbidden.message}`,
    })
  })

  test('is needed to close the row of an instance that is gone', async () => {
    const { store, written } = answering(unchanged)
    const deps = { store, log: keptLog() }
    const failed = await closeGoneRow({ ...deps, cluster: nameless }, key, first, never)
    expect([failed, written]).toEqual([{ events: 0, failed: 'Forbidden', wakes: [] }, []])
    await closeGoneRow({ ...deps, cluster: clusterWith({}) }, key, first, never)
    expect(written).toEqual([['closeGone', { ...key, cluster: 'cluster-1' }]])
  })
})

describe('a closed row', () => {
  const readAgain = (metadata: object | undefined) =>
    clusterWith({ getMetadata: (async () => metadata && { metadata }) as unknown as Cluster['getMetadata'] })
  const writesOf = async (cluster: Cluster, phase = record.phase) => {
    const { store, written } = answering({ ...unchanged, closed: true })
    await recordRow({ cluster, store, log: keptLog() }, { ...record, phase }, first, never)
    return written.map(([what]) => what)
  }

  test('is opened if the instance lives', async () => {
    expect(await writesOf(readAgain({ uid: record.uid }))).toEqual(['record', 'reopen'])
  })

  test.each([
    ['is gone', undefined],
    ['has a successor', { uid: 'another' }],
    ['is being deleted', { uid: record.uid, deletionTimestamp: '2026-11-29T10:00:00Z' }],
  ])('stays closed if the instance %s', async (_, metadata) => {
    expect(await writesOf(readAgain(metadata))).toEqual(['record'])
  })

  test('stays closed while the instance is torn down', async () => {
    expect(await writesOf(readAgain({ uid: record.uid }), 'Terminating')).toEqual(['record'])
  })
})

describe('a database that is slow', () => {
  test('has twice the time in a pass that follows a wait', () => {
    expect([0, 1, 2, 40].map(databaseShareMs)).toEqual([500, 1_000, 1_000, 1_000])
  })

  test('has this time before the write is given up', async () => {
    const untilAborted = (_: unknown, signal: AbortSignal) =>
      new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(withoutTables)))
    const store = { record: untilAborted } as Partial<Store> as Store
    const started = performance.now()
    await recordRow({ cluster: clusterWith({}), store, log: keptLog() }, record, { waits: 1 }, never)
    expect(performance.now() - started).toBeGreaterThan(990)
  })
})
