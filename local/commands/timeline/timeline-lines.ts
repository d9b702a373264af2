import type { EventType } from '../../../lib/events.ts'
import type { Timeline, TimelineEvent } from '../../../lib/store/timeline.ts'

/** Returns the timelines as text, with a heading for each instance and a blank line between them. */
export function timelineLines(timelines: readonly Timeline[]): string[] {
  const clusters = new Set(timelines.map(each => each.cluster))
  return timelines.flatMap((timeline, index) => [
    ...(index === 0 ? [] : ['']),
    heading(timeline, clusters.size > 1),
    ...eventLines(timeline),
  ])
}

function heading({ namespace, name, teamId, eventId, template, uid, cluster }: Timeline, named: boolean) {
  const parts = [`${namespace}/${name}`, `team ${teamId}`, `event ${eventId}`, `template ${template}`]
  return [...parts, `uid ${uid}`, ...(named ? [`cluster ${cluster ?? 'unknown'}`] : [])].join('  ')
}

function eventLines(timeline: Timeline): string[] {
  const { createdAt, deletedAt, events, lastSequence } = timeline
  const lines = [lineOf(createdAt, 'created')]
  let known = 0
  for (const event of events) {
    lines.push(...gapLines(event.sequence - known - 1, lost(event, known)))
    lines.push(lineOf(event.at, event.type.replace(/^instance\./, ''), detailOf(event)))
    known = event.sequence
  }
  if (events.length === 0) lines.push(...gapLines(lastSequence, pruned))
  if (deletedAt === null)
    lines.push(lineOf('now', timeline.phase, why(timeline) ?? timeline.url ?? undefined))
  else if (events.length === 0) lines.push(lineOf(deletedAt, 'deleted'))
  return lines
}

const pruned = 'have been deleted since'

/** Events are deleted from the first one on. A gap after another event, or before a rebuilt one, is a database's. */
function lost({ rebuilt }: TimelineEvent, known: number): string {
  return rebuilt || known > 0 ? 'the database has lost' : pruned
}

function gapLines(count: number, what: string): string[] {
  if (count <= 0) return []
  return [lineOf('', `${count === 1 ? '1 event' : `${count} events`}, which ${what}`)]
}

/** The width of a time, and of the longest type of an event. */
const [timeWidth, typeWidth] = [24, 12]

function lineOf(time: string, what: string, detail = ''): string {
  return `  ${time.padEnd(timeWidth)}  ${what.padEnd(typeWidth)}  ${detail}`.trimEnd()
}

type Detail = (event: TimelineEvent) => string | undefined

const ends: Detail = ({ expiresAt }) => (expiresAt === null ? 'without an end' : `ends at ${expiresAt}`)

const details: Record<EventType, Detail> = {
  'instance.provisioning': why,
  'instance.ready': ({ url }) => url ?? undefined,
  'instance.failed': why,
  'instance.idle': why,
  'instance.woken': () => undefined,
  'instance.renewed': ends,
  'instance.expiring': ends,
  'instance.expired': ({ expiresAt }) => (expiresAt === null ? undefined : `its end was ${expiresAt}`),
  'instance.deleted': () => undefined,
}

function detailOf(event: TimelineEvent): string | undefined {
  const detail = details[event.type](event)
  return event.rebuilt ? `${detail ? `${detail}  ` : ''}(rebuilt)` : detail
}

/** Events of earlier releases have no message. */
function why({ reason, message }: Pick<TimelineEvent, 'reason' | 'message'>): string | undefined {
  if (reason === null) return undefined
  return message === null ? reason : `${reason}: ${message}`
}
