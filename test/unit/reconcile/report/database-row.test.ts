import { describe, expect, test } from 'vitest'
import { OperatorError } from '../../../../lib/errors.ts'
import { reasons } from '../../../../lib/reasons.ts'
import { closeRow, recordOf, recordRow } from '../../../../lib/reconcile/report/database-row.ts'
import type { Store } from '../../../../lib/store/store.ts'
import { storedInstance } from '../../../support/objects.ts'
import { keptLog } from '../../functions/lambda-events.ts'

const never = new AbortController().signal
const record = recordOf(storedInstance(), { phase: 'Ready' }, undefined)
const key = { namespace: 'ctf', name: 'web-7', uid: 'instance-uid' }

function failing(error: Error) {
  const fail = async () => {
    throw error
  }
  const store: Store = { record: fail, close: fail, openRows: async function* () {} }
  return { store, log: keptLog() }
}

const advice =
  'the database lacks our tables, or has old ones; run `challenge-operator migrate` (SQLSTATE 42P01)'
const withoutTables = new OperatorError('DatabaseUnavailable', advice)

describe('a row that cannot be written', () => {
  test('is logged with the error of the store, when it is recorded and when it is closed', async () => {
    const deps = failing(withoutTables)
    await recordRow(deps, record, never)
    await closeRow(deps, key, 'deleted', never)
    const line = { level: 'warn', message: 'row not written', fields: { ...key, error: withoutTables } }
    expect(deps.log.lines).toEqual([line, line])
  })

  test('has the sentence of the store in the Synced condition', async () => {
    const { sync } = await recordRow(failing(withoutTables), record, never)
    expect(sync).toEqual({
      ok: false,
      reason: 'DatabaseUnavailable',
      message: `The row is not written: ${advice}.`,
    })
  })

  test('has the fixed sentence in the Synced condition after a programming error', async () => {
    const { sync } = await recordRow(failing(new TypeError('x is not a function')), record, never)
    expect(sync).toEqual({ ok: false, reason: 'Internal', message: reasons.Internal.sentence })
  })

  test('is closed later for the reason of the failure', async () => {
    expect(await closeRow(failing(withoutTables), key, 'deleted', never)).toEqual({
      events: 0,
      failed: 'DatabaseUnavailable',
    })
    const refused = new OperatorError('Internal', 'the database refused what we wrote (SQLSTATE 22001)')
    expect(await closeRow(failing(refused), key, 'deleted', never)).toMatchObject({ failed: 'Internal' })
  })

  test('ends the pass if the signal aborted', async () => {
    const aborted = AbortSignal.abort(new Error('deadline'))
    await expect(closeRow(failing(withoutTables), key, 'deleted', aborted)).rejects.toThrow('deadline')
  })
})
