import type { Migration } from 'kysely/migration'
import * as instances from './migrations/2026-11-23-instances.ts'
import * as outboxRetries from './migrations/2026-11-25-outbox-retries.ts'
import * as clusters from './migrations/2026-11-29-clusters.ts'
import * as hostClaims from './migrations/2026-11-29-host-claims.ts'
import * as rowDigests from './migrations/2026-11-29-row-digests.ts'
import * as unstoppedRows from './migrations/2026-11-29-unstopped-rows.ts'
import * as workloadNamespaces from './migrations/2026-11-29-workload-namespaces.ts'
import * as admissions from './migrations/2026-11-30-admissions.ts'
import * as history from './migrations/2026-11-30-history.ts'
import * as warnings from './migrations/2026-11-30-warnings.ts'
import * as withoutPublishing from './migrations/2026-11-30-without-publishing.ts'
import * as tornDownRows from './migrations/2026-11-30T04-torn-down-rows.ts'
import * as wholeClusters from './migrations/2026-11-30T05-whole-clusters.ts'
import * as incompleteRows from './migrations/2026-11-30T06-incomplete-rows.ts'

/** Migrations by name, run in the order of their names. A released migration never changes; a change is a new one. */
export const migrations: Record<string, Migration> = {
  '2026-11-23-instances': instances,
  '2026-11-25-outbox-retries': outboxRetries,
  '2026-11-29-clusters': clusters,
  '2026-11-29-host-claims': hostClaims,
  '2026-11-29-row-digests': rowDigests,
  '2026-11-29-unstopped-rows': unstoppedRows,
  '2026-11-29-workload-namespaces': workloadNamespaces,
  '2026-11-30-admissions': admissions,
  '2026-11-30-history': history,
  '2026-11-30-warnings': warnings,
  '2026-11-30-without-publishing': withoutPublishing,
  // After the others of that day by its name.
  '2026-11-30T04-torn-down-rows': tornDownRows,
  '2026-11-30T05-whole-clusters': wholeClusters,
  '2026-11-30T06-incomplete-rows': incompleteRows,
}

/** The name of the newest migration. They run in the order of their names. */
export const newestMigration: string = Object.keys(migrations).sort().at(-1) ?? ''
