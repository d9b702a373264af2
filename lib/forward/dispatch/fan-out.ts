import type { Timers } from '../../abort.ts'
import { countsAgainstRollout } from '../../reason-rules.ts'
import type { InstanceDigest } from '../table/instance-digest.ts'
import type { Row, TemplateEntry } from '../table/row.ts'

/** Paces the template changes of rows. */
export interface FanOut {
  /** The row waits until its change is released or withdrawn. */
  offer(row: Row): void
  withdraw(row: Row): void
  clear(): void
}

/** Milliseconds. Ten a second for one template: 1,000 instances in under two minutes, some 60 API calls a second. */
const releaseEveryMs = 100

/** Milliseconds after which a held roll-out is examined again. A container takes seconds to become ready. */
const heldEveryMs = 1_000

/**
 * Releases one row of a template after the other. Rows that are broken already come first: they lose nothing, and the
 * edit may be what cures them. While too many rows on the new generation are not Ready, the roll-out is held
 * (`rolloutHeld`). That is read from the table each time, so it survives a restart. A corrected edit is a new
 * generation, on which no row is yet.
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
      // The first row is chosen in a later turn of the event loop, when all rows of the template have been offered.
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

/**
 * Whether the roll-out must wait: of the instances that are on the new generation or were sent there, more than one and
 * more than a tenth are not Ready.
 */
export function rolloutHeld({ digest, rows }: TemplateEntry): boolean {
  if (digest === undefined || digest.keep) return false
  let onNewGeneration = 0
  let unready = 0
  for (const { instance, rollout } of rows) {
    if (instance === undefined || instance.deleting) continue
    const { stalledReason } = instance
    if (stalledReason !== undefined && !countsAgainstRollout(stalledReason)) continue
    const considered = instance.templateUid === digest.uid && instance.templateGeneration >= digest.generation
    if (!considered && rollout === undefined) continue
    onNewGeneration += 1
    if (!considered || !serves(instance)) unready += 1
  }
  return unready > Math.max(1, onNewGeneration / 10)
}

/** Whether the instance is Ready, or hibernated: without a pod there is nothing that could break. */
function serves(instance: InstanceDigest | undefined): boolean {
  return instance?.ready === true || instance?.phase === 'Idle'
}
