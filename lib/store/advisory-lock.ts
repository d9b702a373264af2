import { createHash } from 'node:crypto'
import { sql, type Transaction } from 'kysely'
import type { Schema } from './schema.ts'

/** Locks a name until the transaction ends: those who ask for the same one wait for each other. */
export async function lockName(transaction: Transaction<Schema>, name: string): Promise<void> {
  const key = createHash('sha256').update(`challenge-operator:${name}`).digest().readBigInt64BE()
  // Without parameters the statement is sent together with the BEGIN of the transaction.
  await sql`SELECT pg_advisory_xact_lock(${sql.raw(key.toString())})`.execute(transaction)
}
