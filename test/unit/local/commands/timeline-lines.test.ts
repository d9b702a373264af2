import { describe, expect, it } from 'vitest'
import type { Timeline, TimelineEvent } from '../../../../lib/store/timeline.ts'
import { timelineLines } from '../../../../local/commands/timeline/timeline-lines.ts'

const at = (second: number) => `2026-11-29T10:00:${String(second).padStart(2, '0')}.000Z`

function event(sequence: number, changes: Partial<TimelineEvent>): TimelineEvent {
  return {
    ...{ at: at(sequence), sequence, type: 'instance.ready', phase: 'Ready', reason: null, message: null },
    ...{ url: null, expiresAt: null, rebuilt: false, publishedAt: null },
    ...changes,
  }
}

function timeline(changes: Partial<Timeline> = {}): Timeline {
  return {
    ...{
      uid: 'uid-1',
      cluster: 'c1',
      namespace: 'ctf',
      name: 'web',
      teamId: 3,
      eventId: 7,
      template: 'web-1',
    },
    ...{ phase: 'Ready', reason: null, message: null, url: 'http://web', createdAt: at(0), expiresAt: null },
    ...{ deletedAt: null, lastSequence: 1, events: [event(1, { url: 'http://web' })] },
    ...changes,
  }
}

describe('timelineLines', () => {
  it('says what happened when, and why', () => {
    const events = [
      event(1, { type: 'instance.provisioning', phase: 'Provisioning' }),
      event(2, {
        type: 'instance.failed',
        phase: 'Failed',
        reason: 'CrashLooping',
        message: 'It exits with 1.',
      }),
      event(3, { url: 'http://web', expiresAt: at(50) }),
      event(4, { type: 'instance.renewed', expiresAt: at(59) }),
      event(5, { type: 'instance.expired', reason: 'Expired', expiresAt: at(59) }),
      event(6, { type: 'instance.deleted', reason: 'Expired' }),
    ]
    const ended = timeline({ events, lastSequence: 6, deletedAt: at(6), phase: 'Terminating' })
    expect(timelineLines([ended])).toEqual([
      'ctf/web  team 3  event 7  template web-1  uid uid-1',
      '  2026-11-29T10:00:00.000Z  created',
      '  2026-11-29T10:00:01.000Z  provisioning',
      '  2026-11-29T10:00:02.000Z  failed        CrashLooping: It exits with 1.',
      '  2026-11-29T10:00:03.000Z  ready         http://web',
      '  2026-11-29T10:00:04.000Z  renewed       ends at 2026-11-29T10:00:59.000Z',
      '  2026-11-29T10:00:05.000Z  expired       its end was 2026-11-29T10:00:59.000Z',
      '  2026-11-29T10:00:06.000Z  deleted',
    ])
  })

  it('says which events a lost or restored database lacks, and which one it was rebuilt with', () => {
    const events = [event(1, { url: 'http://web' }), event(4, { url: 'http://web', rebuilt: true })]
    expect(timelineLines([timeline({ events, lastSequence: 4 })]).slice(2, -1)).toEqual([
      '  2026-11-29T10:00:01.000Z  ready         http://web',
      '                            2 events, which the database has lost',
      '  2026-11-29T10:00:04.000Z  ready         http://web  (rebuilt)',
    ])
    const [, ...rebuilt] = events
    expect(timelineLines([timeline({ events: rebuilt, lastSequence: 4 })])[2]).toContain(
      '3 events, which the database has lost',
    )
  })

  it('says how an instance that lives is now, and why', () => {
    const failed = timeline({
      events: [],
      lastSequence: 0,
      phase: 'Pending',
      reason: 'QuotaExceeded',
      message: 'Full.',
    })
    expect(timelineLines([failed]).at(-1)).toBe(
      '  now                       Pending       QuotaExceeded: Full.',
    )
    expect(timelineLines([timeline()]).at(-1)).toBe('  now                       Ready         http://web')
  })

  it('says how many of the first events have been deleted', () => {
    const [, , third] = timelineLines([timeline({ events: [event(3, {})], lastSequence: 3 })])
    expect(third).toBe('                            2 events, which have been deleted since')
    const lines = timelineLines([timeline({ events: [], lastSequence: 5, deletedAt: at(9) })])
    expect(lines.slice(2)).toEqual([
      '                            5 events, which have been deleted since',
      '  2026-11-29T10:00:09.000Z  deleted',
    ])
  })

  it('has a heading for each instance, which names the cluster where there are several', () => {
    const lines = timelineLines([timeline(), timeline({ uid: 'uid-2', cluster: null })])
    expect(lines.filter(line => line.startsWith('ctf/web'))).toEqual([
      'ctf/web  team 3  event 7  template web-1  uid uid-1  cluster c1',
      'ctf/web  team 3  event 7  template web-1  uid uid-2  cluster unknown',
    ])
    expect(lines.filter(line => line === '')).toHaveLength(1)
  })
})
