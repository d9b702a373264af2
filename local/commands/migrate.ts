import type { Environment } from '../../lib/config/section.ts'
import { openDatabase } from '../../lib/store/database.ts'
import { migrate } from '../../lib/store/migrate.ts'
import { externalDatabase } from '../parts/external-parts.ts'

/** `challenge-operator migrate`: creates or upgrades the operator's tables. The platform's tables are never changed. */
export async function runMigrate(
  env: Environment,
  print: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const database = openDatabase({ url: externalDatabase(env), max: 1, applicationName: 'migrate' })
  try {
    const names = await migrate(database, signal)
    for (const name of names) print(`migrated: ${name}`)
    if (names.length === 0) print('the database is up to date')
  } finally {
    await database.destroy()
  }
}
