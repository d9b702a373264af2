import type { SQSRecord } from 'aws-lambda'
import type { Cause, ChangeMessage } from '../../lib/messages.ts'
import { parseChange } from '../../lib/messages.ts'
import type { Pass } from '../../lib/reconcile/outcome.ts'

/** All messages of a batch that name one instance: one pass for them together. */
export interface PassStep {
  kind: 'pass'
  pass: Pass
  records: SQSRecord[]
}

/** A message that nobody can act on. */
export interface PoisonStep {
  kind: 'poison'
  reason: string
  records: [SQSRecord]
}

export type Step = PassStep | PoisonStep

/** One message group of a batch. Its steps are to be taken in order. */
export interface Group {
  id: string
  records: SQSRecord[]
  steps: Step[]
}

/** A batch by groups; a record outside of any group (a standard queue) is a group of its own. */
export function groupsOf(records: readonly SQSRecord[]): Group[] {
  const byId = Map.groupBy(records, record => record.attributes.MessageGroupId ?? record.messageId)
  return [...byId].map(([id, members]) => ({ id, records: members, steps: stepsOf(members) }))
}

function stepsOf(records: SQSRecord[]): Step[] {
  const steps: Step[] = []
  const passes = new Map<string, PassStep>()
  for (const record of records) {
    const parsed = parse(record)
    if (typeof parsed === 'string') {
      steps.push({ kind: 'poison', reason: parsed, records: [record] })
      continue
    }
    const key = `${parsed.namespace}/${parsed.name}`
    const earlier = passes.get(key)
    if (earlier) {
      earlier.pass = unite(earlier.pass, passOf(parsed, record))
      earlier.records.push(record)
    } else {
      const step: PassStep = { kind: 'pass', pass: passOf(parsed, record), records: [record] }
      passes.set(key, step)
      steps.push(step)
    }
  }
  return steps
}

/** @returns what is wrong with the body, as a string */
function parse(record: SQSRecord): ChangeMessage | string {
  try {
    return parseChange(record.body)
  } catch (thrown) {
    return thrown instanceof Error ? thrown.message : String(thrown)
  }
}

/** A message that is delivered again lost its pass on the way, nobody knows where: what comes now is a retry too. */
function passOf(change: ChangeMessage, { attributes }: SQSRecord): Pass {
  const { namespace, name, uid, cause, pod, attempt, waits = 0 } = change
  const again = Number(attributes.ApproximateReceiveCount) > 1
  return {
    namespace,
    name,
    uids: [uid],
    causes: new Set<Cause>(again ? [cause, 'retry'] : [cause]),
    pod,
    attempt,
    waits,
  }
}

function unite(older: Pass, newer: Pass): Pass {
  return {
    ...older,
    uids: [...new Set([...older.uids, ...newer.uids])],
    causes: new Set([...older.causes, ...newer.causes]),
    pod: newer.pod ?? older.pod,
    attempt: Math.max(older.attempt, newer.attempt),
    waits: Math.max(older.waits, newer.waits),
  }
}
