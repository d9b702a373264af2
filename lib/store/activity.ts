import { sql, type Transaction } from 'kysely'
import type { Schema } from './schema.ts'
import { storable } from './storable.ts'

/** Implements `Store.lastActiveAt` within a transaction. */
export async function readLastActive(
  transaction: Transaction<Schema>,
  uid: string,
): Promise<number | undefined> {
  const row = await transaction
    .selectFrom('challenge_operator.instance')
    .select('last_active_at')
    .where('uid', '=', storable(uid))
    .executeTakeFirst()
  return row?.last_active_at?.getTime()
}

/** Implements `Store.recordActivity` within a transaction. One statement serves any number of instances. */
export async function recordActivityIn(
  transaction: Transaction<Schema>,
  uids: readonly string[],
  at: number,
): Promise<void> {
  const time = new Date(at).toISOString()
  await transaction
    .updateTable('challenge_operator.instance')
    .set({ last_active_at: sql<string>`greatest(last_active_at, ${time}::timestamptz)` })
    .where('uid', 'in', uids.map(storable))
    .where('deleted_at', 'is', null)
    .execute()
}
