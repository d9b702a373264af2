import type { SQSRecord } from 'aws-lambda'
import { clockStamp } from '../../lib/clock/version.ts'
import type { Cause, ChangeMessage, MessageKind } from '../../lib/messages.ts'
import { parseChange } from '../../lib/messages.ts'
import type { Pass } from '../../lib/reconcile/pass/outcome.ts'

/** One pass for all messages of a batch that name the same instance. */
export interface PassStep {
  kind: 'pass'
  pass: Pass
  records: SQSRecord[]
}

/** An object that instances share: it is unused, absent or changed. */
export interface SharedObjectStep {
  kind: 'shared-object'
  change: ChangeMessage & { kind: MessageKind }
  records: [SQSRecord]
}

/** A message that cannot be read. */
export interface PoisonStep {
  kind: 'poison'
  reason: string
  records: [SQSRecord]
}

export type Step = PassStep | SharedObjectStep | PoisonStep

/** One message group of a batch. Its steps run in order. */
export interface Group {
  id: string
  records: SQSRecord[]
  steps: Step[]
}

/** Splits a batch into its message groups. A record without a group comes from a standard queue and is a group of its own. */
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
    const { kind } = parsed
    if (kind !== undefined) {
      steps.push({ kind: 'shared-object', change: { ...parsed, kind }, records: [record] })
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

/** @returns a string that says what is wrong with the body, if it cannot be read */
function parse(record: SQSRecord): ChangeMessage | string {
  try {
    return parseChange(record.body)
  } catch (thrown) {
    return thrown instanceof Error ? thrown.message : String(thrown)
  }
}

/** A message that is delivered again adds the cause `retry`, since its first pass may have ended anywhere. */
function passOf(change: ChangeMessage, { attributes }: SQSRecord): Pass {
  const { namespace, name, uid, cause, pod, held, attempt, waits = 0, trace, at, resourceVersion } = change
  const { workloadNamespace, end } = change
  const again = Number(attributes.ApproximateReceiveCount) > 1
  return {
    namespace,
    name,
    uids: [uid],
    causes: new Set<Cause>(again ? [cause, 'retry'] : [cause]),
    pod,
    workloadNamespaces: workloadNamespace === undefined ? [] : [workloadNamespace],
    held,
    seenEnd: end && { ...end, uid, resourceVersion },
    clock: clockStamp(change),
    attempt,
    waits,
    trace,
    at,
    resourceVersion,
  }
}

function unite(older: Pass, newer: Pass): Pass {
  return {
    ...older,
    uids: [...new Set([...older.uids, ...newer.uids])],
    causes: new Set([...older.causes, ...newer.causes]),
    pod: newer.pod ?? older.pod,
    workloadNamespaces: [...new Set([...newer.workloadNamespaces, ...older.workloadNamespaces])],
    held: newer.held ?? older.held,
    seenEnd: newer.seenEnd ?? older.seenEnd,
    clock: newer.clock ?? older.clock,
    attempt: Math.max(older.attempt, newer.attempt),
    waits: Math.max(older.waits, newer.waits),
    trace: newer.trace ?? older.trace,
    resourceVersion: newer.resourceVersion || older.resourceVersion,
  }
}
