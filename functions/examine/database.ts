import type { OperatorConfig } from '../../lib/config/operator.ts'
import type { Database } from '../../lib/store/database.ts'
import { examineFor, tablesFinding } from '../../lib/store/examination.ts'
import type { DatabaseAddress } from '../../lib/store/pools.ts'
import { tlsFindings } from '../../lib/store/tls-findings.ts'
import { type ExaminedPart, isNetworkFailure, networkRemedy } from './examine.ts'

export interface ExaminedDatabase {
  db: Database
  address: string | DatabaseAddress
  platform: OperatorConfig['platform']
}

/** Examines whether the database can be reached, its tables, and how the connection is protected. */
export function databasePart({ db, address, platform }: ExaminedDatabase): ExaminedPart {
  return {
    part: 'database',
    remedyOf(failure) {
      if (/_SECRET_ARN/.test(failure)) return 'see the lines of the secrets'
      if (isNetworkFailure(failure)) return networkRemedy
      return 'correct DATABASE_URL: the value of the secret that secrets.databaseUrl names, or the one you deploy with'
    },
    async look({ newestMigration = '' }, signal) {
      const found = tablesFinding(await examineFor(db, { newestMigration }, signal), platform)
      const url = typeof address === 'string' ? address : await address.url()
      return [found, ...tlsFindings(url)].map(finding => ({ part: 'database', finding }))
    },
  }
}
