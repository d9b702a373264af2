import type { ApiStatus } from './api-status.ts'

/** Enough to mend; the rest shows when these are mended. */
const most = 3
const longest = 160

/**
 * What is wrong with which fields, without the values: a refused value may be a flag.
 * `spec.replicas: Invalid value: -1: must be …` becomes `spec.replicas: must be …`.
 */
export function fieldErrors({ causes }: Pick<ApiStatus, 'causes'>): string {
  const lines = new Set(causes.map(cause => line(cause.field ?? '', cause.message ?? '')))
  const told = [...lines].slice(0, most)
  const more = lines.size - told.length
  return told.join('; ') + (more > 0 ? `; and ${more} more` : '')
}

const valued = /^(Invalid value|Unsupported value|Duplicate value|Not found|Too long|Too many): /

function line(field: string, message: string): string {
  const kind = message.match(valued)
  const text = kind ? withoutValue(message.slice(kind[0].length)) || kind[1] : message
  const at = field === '' || field === '<nil>' ? '' : `${keysHidden(field)}: `
  const whole = at + text
  return whole.length > longest ? `${whole.slice(0, longest - 1)}…` : whole
}

/** A map's key can be anything: `data[flag-1]` says as much as `data[…]`. Indexes stay. */
function keysHidden(field: string): string {
  return field.replace(/\[(?!\d+\])[^\]]{20,}\]/g, '[…]')
}

/** What follows the value and its colon; nothing when no end of the value can be made out. */
function withoutValue(text: string): string {
  const end = valueEnd(text)
  if (end === undefined || !text.startsWith(': ', end)) return ''
  return text.slice(end + 2)
}

/** Go prints values quoted, as JSON, as `pkg.Type{…}`, or bare. */
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
