import type { ChallengeInstanceStatus } from '../../../lib/crd/challenge-instance.ts'
import type { TemplateEntry } from '../../../lib/forward/table/row.ts'
import { createTable } from '../../../lib/forward/table/table.ts'
import { start } from './virtual-time.ts'
import { watchedEverywhere } from './watched-everywhere.ts'
import { settled, type template, withStatus } from './watched-objects.ts'

export interface OnGeneration {
  generation: number
  ready: boolean
  served?: boolean
  more?: ChallengeInstanceStatus
}

/** Rows of the template, with instances on these generations. */
export function rowsOn(of: ReturnType<typeof template>, instances: OnGeneration[]) {
  const table = createTable(watchedEverywhere, { onRow() {}, onInstanceGone() {}, onRowEmpty() {} })
  table.put(of)
  instances.forEach(({ generation, ready, served = false, more }, index) => {
    const { instance } = settled(`i${index}`)
    const lastTransitionTime = new Date(start).toISOString()
    const condition = { type: 'Ready', reason: '', message: '', lastTransitionTime }
    table.put(
      withStatus(instance, {
        ...instance.status,
        template: { uid: 'template-1', generation, hash: '', ...(served && { served }) },
        conditions: [{ ...condition, status: ready ? 'True' : 'False' }],
        ...more,
      }),
    )
  })
  const rows = [...table.rows()]
  return { rows, entry: rows[0]?.template as TemplateEntry }
}
