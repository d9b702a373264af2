import { type Kysely, sql } from 'kysely'

/** Creates the mirror of the instances and the outbox of their events, with an index for every query of the sweep. */
export async function up(db: Kysely<unknown>): Promise<void> {
  const schema = db.schema.withSchema('challenge_operator')
  await schema
    .createTable('instance')
    .addColumn('uid', 'text', column => column.primaryKey())
    .addColumn('namespace', 'text', column => column.notNull())
    .addColumn('name', 'text', column => column.notNull())
    .addColumn('team_id', 'bigint', column => column.notNull())
    .addColumn('event_id', 'bigint', column => column.notNull())
    .addColumn('template', 'text', column => column.notNull())
    .addColumn('phase', 'text', column => column.notNull())
    .addColumn('reason', 'text')
    .addColumn('message', 'text')
    .addColumn('url', 'text')
    .addColumn('flag_hmac', 'text')
    .addColumn('notes', 'jsonb', column => column.notNull().defaultTo(sql`'{}'`))
    .addColumn('created_at', 'timestamptz', column => column.notNull())
    .addColumn('ready_at', 'timestamptz')
    .addColumn('expires_at', 'timestamptz')
    .addColumn('last_active_at', 'timestamptz')
    .addColumn('deleted_at', 'timestamptz')
    .addColumn('sequence', 'integer', column => column.notNull().defaultTo(0))
    .addColumn('platform_problem', 'text')
    .execute()
  await schema
    .createTable('outbox')
    .addColumn('id', 'bigint', column => column.primaryKey().generatedAlwaysAsIdentity())
    .addColumn('event_id', 'uuid', column => column.notNull().unique())
    .addColumn('instance_uid', 'text', column => column.notNull())
    .addColumn('sequence', 'integer', column => column.notNull())
    .addColumn('type', 'text', column => column.notNull())
    .addColumn('payload', 'jsonb', column => column.notNull())
    .addColumn('created_at', 'timestamptz', column => column.notNull().defaultTo(sql`now()`))
    .addColumn('published_at', 'timestamptz')
    .addColumn('refusals', 'integer', column => column.notNull().defaultTo(0))
    .addUniqueConstraint('outbox_instance_sequence', ['instance_uid', 'sequence'])
    .execute()
  for (const statement of indexes) await statement.execute(db)
}

const indexes = [
  // The sweep reads open rows in pages. Closed rows are never deleted, so the index leaves them out.
  sql`CREATE INDEX instance_live ON challenge_operator.instance (uid) WHERE deleted_at IS NULL`,
  sql`
    CREATE INDEX instance_live_pair ON challenge_operator.instance (team_id, template, created_at DESC, uid DESC)
    WHERE deleted_at IS NULL`,
  sql`CREATE INDEX instance_live_expiry ON challenge_operator.instance (expires_at) WHERE deleted_at IS NULL`,
  sql`
    CREATE INDEX instance_live_activity ON challenge_operator.instance (last_active_at)
    WHERE deleted_at IS NULL AND phase = 'Ready'`,
  sql`CREATE INDEX instance_name ON challenge_operator.instance (namespace, name)`,
  sql`
    CREATE INDEX outbox_unpublished ON challenge_operator.outbox (refusals, id)
    WHERE published_at IS NULL`,
]
