import type { Timers } from '../abort.ts'
import { countsAgainstRollout } from '../reasons.ts'
import type { InstanceDigest } from './instance-digest.ts'
import type { Row, TemplateEntry } from './row.ts'

/** Releases template changes in their turn. */
export interface FanOut {
  /** The row waits until it is released, or withdrawn. */
  offer(row: Row): void
  withdraw(row: Row): void
  clear(): void
}

/** Ten a second for one template: 1,000 instances in under two minutes, some 60 API calls a second. */
const releaseEveryMs = 100

/** A rollout that is held looks again this often: a container takes seconds to become ready. */
const heldEveryMs = 1_000

/**
 * Paces a template's rollout: those that are broken already first (they lose nothing, and may be what the edit is for),
 * and none while too many of those on the new generation are not Ready. That is read off the table each time, so it
 * needs no memory and survives a restart; a corrected edit is a new generation, on which nobody is yet.
 */
export function createFanOut(release: (row: Row) => void, timers: Timers): FanOut {
  const running = new Map<TemplateEntry, unknown>()

  function tick(template: TemplateEntry): void {
    const next = nextInLine(template)
    if (next === undefined) {
      running.delete(template)
      return
    }
    const held = rolloutHeld(template)
    if (!held) {
      next.waitsForTurn = false
      release(next)
    }
    running.set(
      template,
      timers.set(() => tick(template), held ? heldEveryMs : releaseEveryMs),
    )
  }

  return {
    offer(row) {
      const { template } = row
      if (template === undefined) return
      row.waitsForTurn = true
      if (running.has(template)) return
      // After this turn of the loop: all rows of the template are offered before the first is chosen.
      running.set(
        template,
        timers.set(() => tick(template), 0),
      )
    },
    withdraw(row) {
      row.waitsForTurn = false
    },
    clear() {
      for (const [template, timer] of running) {
        timers.clear(timer)
        for (const row of template.rows) row.waitsForTurn = false
      }
      running.clear()
    },
  }
}

function nextInLine({ rows }: TemplateEntry): Row | undefined {
  let first: Row | undefined
  for (const row of rows) {
    if (!row.waitsForTurn) continue
    if (!serves(row.instance)) return row
    first ??= row
  }
  return first
}

/** More than one and more than a tenth of those on the new generation, or sent there, are not Ready. */
export function rolloutHeld({ digest, rows }: TemplateEntry): boolean {
  if (digest === undefined || digest.keep) return false
  let on = 0
  let unready = 0
  for (const { instance, rollout } of rows) {
    if (instance === undefined || instance.deleting || stalledAlone(instance)) continue
    const considered = instance.templateUid === digest.uid && instance.templateGeneration >= digest.generation
    if (!considered && rollout === undefined) continue
    on += 1
    if (!considered || !serves(instance)) unready += 1
  }
  return unready > Math.max(1, on / 10)
}

/** A stall that concerns this instance only says nothing about its template. */
function stalledAlone({ stalledReason }: InstanceDigest): boolean {
  return stalledReason !== undefined && !countsAgainstRollout(stalledReason)
}

/** Hibernated is as well as Ready: there is nothing that could break. */
function serves(instance: InstanceDigest | undefined): boolean {
  return instance?.ready === true || instance?.phase === 'Idle'
}
