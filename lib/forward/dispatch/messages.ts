import type { Wake } from '../judge/verdict.ts'
import type { Outstanding, Row } from '../table/row.ts'

/** The messages of rows, each under a subject. */
export interface Messages {
  /** @param before the message about the same mismatch that is repeated */
  send(row: Row, wake: Wake, subject: string, before?: Outstanding): Outstanding
  lostAt(outstanding: Outstanding): number
  effectSeen(subject: string, outstanding: Outstanding): void
  withdraw(subject: string): void
  /** Whether the message is about this mismatch. */
  isAbout(outstanding: Outstanding | undefined, wake: Wake): boolean
}
