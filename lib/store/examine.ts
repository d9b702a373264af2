import type { Database } from './database.ts'
import { type Examination, examineFor } from './examination.ts'
import { newestMigration } from './migrations.ts'

/** Reports whether the database is ready for this release. @throws OperatorError `DatabaseUnavailable` */
export function examine(db: Database, signal: AbortSignal): Promise<Examination> {
  return examineFor(db, { newestMigration }, signal)
}
