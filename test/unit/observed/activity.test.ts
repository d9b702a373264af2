import { describe, expect, test } from 'vitest'
import { annotations } from '../../../lib/crd/group.ts'
import { idleAfterMs, isAfter, latestActivity } from '../../../lib/observed/activity.ts'
import { storedInstance } from '../../support/objects.ts'

const created = Date.parse('2026-11-28T09:00:00Z')
const minutes = (count: number) => created + count * 60_000
const at = (time: number) => new Date(time).toISOString()

function used(parts: { annotation?: string; lastActivityAt?: number } = {}) {
  const { annotation, lastActivityAt } = parts
  return storedInstance({
    metadata: {
      creationTimestamp: at(created),
      ...(annotation === undefined ? {} : { annotations: { [annotations.lastActivity]: annotation } }),
    },
    status: lastActivityAt === undefined ? {} : { lastActivityAt: at(lastActivityAt) },
  })
}

describe('the latest activity', () => {
  test('is the creation or the last wake, which nobody has reported', () => {
    expect(latestActivity(used(), undefined, minutes(90))).toEqual({ at: created, reported: false })
    const woken = used({ lastActivityAt: minutes(20) })
    expect(latestActivity(woken, undefined, minutes(90))).toEqual({ at: minutes(20), reported: false })
  })

  test('is the newest of what annotation and database tell', () => {
    const annotated = used({ annotation: at(minutes(30)) })
    expect(latestActivity(annotated, minutes(10), minutes(90))).toEqual({ at: minutes(30), reported: true })
    expect(latestActivity(annotated, minutes(50), minutes(90))).toEqual({ at: minutes(50), reported: true })
  })

  test('is now if the annotation lies in the future', () => {
    const ahead = used({ annotation: '2099-01-01T00:00:00Z' })
    expect(latestActivity(ahead, undefined, minutes(90))).toEqual({ at: minutes(90), reported: true })
  })

  test.each(['', 'now', '2026-11-28', '1764320400', '2026-02-30T00:00:00Z'])(
    'does not come from the annotation %j, which is no date',
    annotation => {
      expect(latestActivity(used({ annotation }), undefined, minutes(90)).reported).toBe(false)
    },
  )
})

test('an activity counts as after a hibernation also if its time is cut to a second', () => {
  const since = created + 700
  expect(isAfter(created, since)).toBe(true)
  expect(isAfter(created - 1, since)).toBe(false)
  expect(isAfter(undefined, since)).toBe(false)
})

describe('the time without activity after which an instance is hibernated', () => {
  const none = { idleMillicores: undefined }

  test('is the timeout of the template, and never if that is 0', () => {
    expect(idleAfterMs({ idleTimeoutMinutes: 10 }, none)).toBe(600_000)
    expect(idleAfterMs({}, none)).toBe(2_700_000)
    expect(idleAfterMs({ idleTimeoutMinutes: 0 }, none)).toBeUndefined()
  })

  test('is a quarter more where the database learns of busy instances once in a quarter', () => {
    expect(idleAfterMs({ idleTimeoutMinutes: 40 }, { idleMillicores: 5 })).toBe(3_000_000)
  })
})
