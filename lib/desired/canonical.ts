import { createHash } from 'node:crypto'

/** JSON with sorted keys and without undefined fields, so that equal content gives equal bytes. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(sorted(value))
}

/** 64 bits of SHA-256 of the canonical JSON, as 16 hex digits. They suffice to tell the states of one object apart. */
export function shortHash(value: unknown): string {
  return createHash('sha256').update(canonicalJson(value)).digest('hex').slice(0, 16)
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).filter(([, each]) => each !== undefined)
  entries.sort(([a], [b]) => (a < b ? -1 : 1))
  return Object.fromEntries(entries.map(([key, each]) => [key, sorted(each)]))
}
