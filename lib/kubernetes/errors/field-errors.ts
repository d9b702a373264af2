import { shortened, withoutValues } from '../../refusal.ts'

/** The number of field errors in one sentence. The others show once these are corrected. */
const most = 3
/** The number of characters of one field error. */
const longest = 160

/** One entry of `details.causes` of a Status. */
export interface StatusCause {
  reason?: string
  message?: string
  field?: string
}

/**
 * Says which fields are wrong and why, without their values, since a refused value may be a flag:
 * `spec.replicas: Invalid value: -1: must be …` becomes `spec.replicas: must be …`.
 */
export function fieldErrors(causes: readonly StatusCause[]): string {
  const lines = new Set(causes.map(cause => line(cause.field ?? '', cause.message ?? '')))
  const shown = [...lines].slice(0, most)
  const more = lines.size - shown.length
  return shown.join('; ') + (more > 0 ? `; and ${more} more` : '')
}

function line(field: string, message: string): string {
  const at = field === '' || field === '<nil>' ? '' : `${keysHidden(field)}: `
  return shortened(at + withoutValues(message), longest)
}

/** Hides long keys of maps, which may hold a value; indexes of lists stay. */
function keysHidden(field: string): string {
  return field.replace(/\[(?!\d+\])[^\]]{20,}\]/g, '[…]')
}
