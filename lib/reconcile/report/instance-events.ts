import type { ChallengeInstanceStatus } from '../../crd/challenge-instance.ts'
import { isReason } from '../../reason-rules.ts'
import { type Reason, reasons } from '../../reasons.ts'
import type { ChildWrite } from '../act/acted.ts'

/** What a pass changed, as far as its status and its writes say. */
export interface Happened {
  /** Undefined: the pass was the first. */
  before: ChallengeInstanceStatus | undefined
  after: ChallengeInstanceStatus
  /** The writes of the pass to the children. */
  writes?: readonly ChildWrite[]
  /** The deletion mark was set since the time of the instance is over. The first pass of its teardown tells that. */
  expired?: boolean
}

/** A Kubernetes Event on the instance, or on its template. */
export interface InstanceEvent {
  on: 'instance' | 'template'
  type: 'Normal' | 'Warning'
  reason: string
  action: string
  note: string
  /** The pod that it is about. */
  pod: string | undefined
  /** See `KubernetesEvent`. */
  rank: number
}

/** A row of the table of events: one thing that may happen. */
interface Row {
  on?: 'template'
  type: 'Normal' | 'Warning'
  /** Default: that of the status. */
  reason?: string
  action: string
  happens: (happened: Required<Happened>) => boolean
  note: (happened: Required<Happened>) => string
  aboutPod?: true
}

/** Nothing is wrong with an instance that has one of these reasons. Some of them have a row of their own. */
const expected: ReadonlySet<string> = new Set<Reason>([
  'NotYetAvailable',
  'Paused',
  'RolloutWaiting',
  'Suspended',
  'Idle',
  'Queued',
  'Terminating',
  'Expired',
])

const messageOf = ({ after }: Required<Happened>) => after.message ?? sentenceOf(after.reason)

/**
 * All events, in the order in which things happen to an instance. A plain start has one, `Ready`: that its children were
 * made is told only of an instance that was kept from it before.
 */
const table: readonly Row[] = [
  {
    type: 'Normal',
    reason: 'Admitted',
    action: 'Admit',
    happens: ({ before, after }) =>
      before?.reason !== undefined && isQueued(before) && !isQueued(after) && lives(after),
    note: () => 'There is room now, and the challenge starts.',
  },
  {
    type: 'Normal',
    reason: 'Created',
    action: 'Create',
    happens: ({ before, after }) =>
      before?.reason !== undefined && !isQueued(before) && count(before) === 0 && count(after) > 0,
    note: ({ after }) =>
      `Made ${listed((after.children ?? []).map(({ kind }) => kind))}. The challenge is starting.`,
  },
  {
    type: 'Normal',
    reason: 'Woken',
    action: 'Wake',
    happens: ({ before, after }) => before?.phase === 'Idle' && after.phase !== 'Idle' && lives(after),
    note: () => 'The challenge is starting again.',
  },
  {
    type: 'Normal',
    action: 'Wait',
    happens: change => entersReason(change, ['Queued', 'NotYetAvailable', 'Paused', 'RolloutWaiting']),
    note: messageOf,
  },
  {
    type: 'Normal',
    reason: 'Repaired',
    action: 'Repair',
    happens: ({ writes }) => writes.some(({ repair }) => repair !== undefined),
    note: ({ writes }) => writes.flatMap(write => (write.repair ? [repairOf(write)] : [])).join(' '),
  },
  {
    type: 'Warning',
    action: 'Run',
    happens: hasNewTrouble,
    note: messageOf,
    aboutPod: true,
  },
  {
    on: 'template',
    type: 'Warning',
    action: 'Run',
    happens: change => hasNewTrouble(change) && isAboutTemplate(change.after.reason),
    note: messageOf,
    aboutPod: true,
  },
  {
    on: 'template',
    type: 'Warning',
    reason: 'RolloutHeld',
    action: 'RollOut',
    happens: change => entersReason(change, ['RolloutWaiting']),
    note: messageOf,
  },
  {
    type: 'Normal',
    reason: 'Ready',
    action: 'Run',
    happens: ({ before, after }) =>
      after.phase === 'Ready' &&
      !isTrouble(after) &&
      (before?.phase !== 'Ready' || (before !== undefined && isTrouble(before))),
    note: ({ after }) => `The challenge is running${after.url ? `: ${after.url}` : '.'}`,
    aboutPod: true,
  },
  {
    type: 'Normal',
    reason: 'Hibernated',
    action: 'Hibernate',
    happens: ({ before, after }) => before?.phase !== 'Idle' && after.phase === 'Idle',
    note: messageOf,
  },
  {
    type: 'Normal',
    reason: 'Expiring',
    action: 'Warn',
    happens: ({ before, after }) => after.warnedOf !== undefined && after.warnedOf !== before?.warnedOf,
    note: ({ after }) => `The time of this instance is over at ${after.warnedOf}.`,
  },
  {
    type: 'Normal',
    reason: 'Expired',
    action: 'Expire',
    happens: ({ before, after, expired }) => expired && lives(before ?? {}) && !lives(after),
    note: ({ after }) =>
      `The time of this instance was over${after.expiresAt ? ` at ${after.expiresAt}` : ''}.`,
  },
]

/** Returns the Kubernetes Events of a pass. Most passes have none. */
export function instanceEvents({ before, after, writes = [], expired = false }: Happened): InstanceEvent[] {
  const happened = { before, after, writes, expired }
  return table.flatMap((row, rank) => {
    if (!row.happens(happened)) return []
    const { on = 'instance', type, reason = after.reason ?? '', action, note, aboutPod } = row
    return [{ on, type, reason, action, note: note(happened), pod: aboutPod && after.podName, rank }]
  })
}

type Change = Pick<Happened, 'before' | 'after'>

/** Another reason that says that something is wrong, or one that has become a failure. */
function hasNewTrouble({ before, after }: Change): boolean {
  if (!isTrouble(after)) return false
  const hasFailed = after.phase === 'Failed' && before?.phase !== 'Failed'
  return before?.reason !== after.reason || hasFailed
}

/** The address of an exposed instance that starts is part of its start. */
function isTrouble({ reason, phase }: ChallengeInstanceStatus): boolean {
  if (reason === undefined || expected.has(reason)) return false
  return reason !== 'AddressPending' || phase === 'Ready'
}

function isAboutTemplate(reason: string | undefined): boolean {
  return reason !== undefined && isReason(reason) && reasons[reason].scope === 'template'
}

function entersReason({ before, after }: Change, wanted: readonly string[]): boolean {
  return after.reason !== undefined && wanted.includes(after.reason) && before?.reason !== after.reason
}

function isQueued({ reason }: { reason?: string }): boolean {
  return reason === 'Queued'
}

function lives({ phase }: Pick<ChallengeInstanceStatus, 'phase'>): boolean {
  return phase !== 'Terminating'
}

function count({ children = [] }: ChallengeInstanceStatus): number {
  return children.length
}

function repairOf({ child, action, repair }: ChildWrite): string {
  const by = repair?.by ?? []
  const whom = by.length === 0 ? '' : ` by ${by.join(', ')}`
  const change = action === 'created' ? 'It was deleted.' : `It was changed${whom}.`
  return `Put back ${child.kind} "${child.name}". ${change}`
}

function sentenceOf(reason: string | undefined): string {
  return reason !== undefined && isReason(reason) ? reasons[reason].sentence : ''
}

function listed(kinds: readonly string[]): string {
  return kinds.length < 2 ? kinds.join('') : `${kinds.slice(0, -1).join(', ')} and ${kinds.at(-1)}`
}
