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

const valued = /^(Invalid value|Unsupported value|Duplicate value|Not found|Too long|Too many): /

function line(field: string, message: string): string {
  const kind = message.match(valued)
  const text = kind ? withoutValue(message.slice(kind[0].length)) || kind[1] : message
  const at = field === '' || field === '<nil>' ? '' : `${keysHidden(field)}: `
  const whole = at + text
  return whole.length > longest ? `${whole.slice(0, longest - 1)}…` : whole
}

/** Hides long keys of maps, which may hold a value; indexes of lists stay. */
function keysHidden(field: string): string {
  return field.replace(/\[(?!\d+\])[^\]]{20,}\]/g, '[…]')
}

/** The text after the value and its colon; empty if the end of the value cannot be found. */
function withoutValue(text: string): string {
  const end = valueEnd(text)
  if (end === undefined || !text.startsWith(': ', end)) return ''
  return text.slice(end + 2)
}

/** The position after the value. Go prints a value quoted, as JSON, as `pkg.Type{…}`, or bare. */
function valueEnd(text: string): number | undefined {
  const opening = text.match(/^[\w.*&[\]]*(?=[{[("])/)?.[0].length ?? 0
  if (!'{[("'.includes(text[opening] || ' ')) {
    const bare = text.match(/^[-+.\w]*(?=: |$)/)
    return bare ? bare[0].length : undefined
  }
  let depth = 0
  for (let at = opening; at < text.length; at++) {
    const char = text[at] as string
    if (char === '"') {
      const quoted = text.slice(at).match(/^"(?:[^"\\]|\\.)*"/s)
      if (!quoted) return undefined
      at += quoted[0].length - 1
    } else if ('{[('.includes(char)) depth++
    else if ('}])'.includes(char)) depth--
    if (depth === 0) return at + 1
  }
  return undefined
}
