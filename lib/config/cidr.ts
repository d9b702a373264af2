import { isIPv4, isIPv6 } from 'node:net'

/** A range of addresses of one family. `first` and `last` are numbers of 32 or 128 bits. */
export interface Cidr {
  family: 4 | 6
  prefix: number
  first: bigint
  last: bigint
}

const bits = { 4: 32, 6: 128 } as const

/** @returns the range, or a sentence with the problem and what to write instead */
export function parseCidr(text: string): Cidr | string {
  const [address = '', length = '', ...rest] = text.split('/')
  const family = isIPv4(address) ? 4 : isIPv6(address) && !address.includes('%') ? 6 : undefined
  if (family === undefined || rest.length > 0 || !/^(0|[1-9]\d{0,2})$/.test(length))
    return `"${text.slice(0, 60)}" is not a CIDR; write an address and a prefix length, such as 10.0.0.0/8 or fd00::/8`
  const prefix = Number(length)
  if (prefix > bits[family])
    return `"${text}" has a prefix length over ${bits[family]}; write one from 0 to ${bits[family]}`
  const value = family === 4 ? fromIPv4(address) : fromIPv6(address)
  const hostBits = BigInt(bits[family] - prefix)
  const first = (value >> hostBits) << hostBits
  const range: Cidr = { family, prefix, first, last: first + (1n << hostBits) - 1n }
  if (first !== value)
    return `"${text}" has bits set after its prefix; write ${formatCidr(range)} for the range or ${address}/${bits[family]} for the one address`
  return range
}

/**
 * Parses a range that stands in the source code.
 * @throws Error if it is no range
 */
export function cidr(text: string): Cidr {
  const parsed = parseCidr(text)
  if (typeof parsed === 'string') throw new Error(parsed)
  return parsed
}

export function formatCidr({ family, prefix, first }: Cidr): string {
  return `${family === 4 ? toIPv4(first) : toIPv6(first)}/${prefix}`
}

/** Tells whether every address of `inner` is in `outer`. Equal ranges contain each other. */
export function contains(outer: Cidr, inner: Cidr): boolean {
  return outer.family === inner.family && outer.first <= inner.first && inner.last <= outer.last
}

function fromIPv4(address: string): bigint {
  return address.split('.').reduce((value, part) => (value << 8n) | BigInt(part), 0n)
}

function toIPv4(value: bigint): string {
  return [24n, 16n, 8n, 0n].map(shift => (value >> shift) & 0xffn).join('.')
}

function fromIPv6(address: string): bigint {
  const plain = address.replace(/[\d.]+$/, tail => (tail.includes('.') ? asGroups(tail) : tail))
  const [head = '', tail] = plain.split('::')
  const left = head === '' ? [] : head.split(':')
  const right = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = tail === undefined ? [] : new Array<string>(8 - left.length - right.length).fill('0')
  return [...left, ...zeros, ...right].reduce((value, group) => (value << 16n) | BigInt(`0x${group}`), 0n)
}

/** Writes the dotted tail of a mapped address as two groups. */
function asGroups(dotted: string): string {
  const value = fromIPv4(dotted)
  return `${(value >> 16n).toString(16)}:${(value & 0xffffn).toString(16)}`
}

/** Replaces the longest run of zero groups by `::` (RFC 5952). */
function toIPv6(value: bigint): string {
  const groups = Array.from({ length: 8 }, (_, index) =>
    ((value >> BigInt(112 - 16 * index)) & 0xffffn).toString(16),
  )
  const runs = groups.map((_, start) => {
    const end = groups.findIndex((group, index) => index >= start && group !== '0')
    return (end === -1 ? groups.length : end) - start
  })
  const longest = Math.max(...runs)
  if (longest < 2) return groups.join(':')
  const start = runs.indexOf(longest)
  return `${groups.slice(0, start).join(':')}::${groups.slice(start + longest).join(':')}`
}
