/** The power of ten, or of two, that each suffix stands for. */
const decimal: Record<string, number> = { n: -9, u: -6, m: -3, '': 0, k: 3, M: 6, G: 9, T: 12, P: 15, E: 18 }
const binary: Record<string, number> = { Ki: 10, Mi: 20, Gi: 30, Ti: 40, Pi: 50, Ei: 60 }

const form = /^([+-]?)(\d*)(?:\.(\d*))?(?:([numkMGTPE]|[KMGTPE]i)|[eE]([+-]?\d{1,3}))?$/

/** Characters of a quantity. A quantity that is written by hand is shorter. */
const lengthLimit = 40

/** Cores. A challenge that asks for more has lost the `m` of its millicores. */
const cpuLimit = 64n

/** The status fields are 32-bit integers. No machine comes near this limit. */
const resultLimit = 2n ** 31n - 1n

const cpuExample = 'for example 500m, 0.5 or 2'
const memoryExample = 'for example 128Mi or 1Gi'

const mebi = 2n ** 20n

/** @returns millicores, rounded up, or the end of a sentence about the field: what is wrong and what to write instead */
export function cpuMillicores(quantity: string | number): number | string {
  const value = fraction(quantity)
  if (value === undefined) return `is ${shown(quantity)}, which is no quantity; write ${likelyCpu(quantity)}`
  if (value.numerator <= 0n) return `is ${shown(quantity)} and must be more than zero; write ${cpuExample}`
  const result = ceiling(value.numerator * 1000n, value.denominator)
  if (result <= cpuLimit * 1000n) return Number(result)
  return `is ${shown(quantity)} cores, and a challenge may have at most ${cpuLimit}; write ${inMillicores(quantity)}`
}

/** @returns mebibytes, rounded up, or the end of a sentence about the field: what is wrong and what to write instead */
export function memoryMebibytes(quantity: string | number): number | string {
  const value = fraction(quantity)
  if (value === undefined || value.numerator < value.denominator * mebi) {
    const problem = value === undefined ? 'no quantity' : 'less than a mebibyte'
    return `is ${shown(quantity)}, which is ${problem}; write ${likelyMemory(quantity)}`
  }
  const result = ceiling(value.numerator, value.denominator * mebi)
  if (result <= resultLimit) return Number(result)
  return `is ${shown(quantity)}, which is more than any machine has; write ${memoryExample}`
}

function shown(quantity: string | number): string {
  return JSON.stringify(String(quantity).slice(0, lengthLimit))
}

/** What an author meant who wrote `500 mc`, `1 core` or `0,5`. The policy in manifests/admission says the same. */
function likelyCpu(quantity: string | number): string {
  const match = /^(\d*\.?\d+) ?(m|mc|mcpu|millicores?|c|v?cpus?|cores?)?$/.exec(simplified(quantity))
  if (!match) return cpuExample
  return `${match[1]}${match[2]?.startsWith('m') ? 'm' : ''}`
}

/** More than 64 cores is a number of thousandths whose `m` is missing. */
function inMillicores(quantity: string | number): string {
  const half = '500m for half a core'
  const text = String(quantity)
  return /^\d{2,4}$/.test(text) && text !== '500' ? `${text}m, or ${half}` : half
}

/** What an author meant who wrote `1g`, `512MB` or `512m`. The schema in manifests/crds says the same. */
function likelyMemory(quantity: string | number): string {
  const match = /^(\d*\.?\d+) ?(?:([kmgt])i?)?b?$/.exec(simplified(quantity))
  if (!match) return memoryExample
  const likely = `${match[1]}${(match[2] ?? 'm').toUpperCase()}i`
  const value = fraction(likely)
  return value === undefined || value.numerator < value.denominator * mebi ? memoryExample : likely
}

function simplified(quantity: string | number): string {
  return String(quantity).slice(0, lengthLimit).trim().toLowerCase().replace(',', '.')
}

/** Parses a quantity as an exact fraction. The API server does not round, and a double would. */
function fraction(quantity: string | number): { numerator: bigint; denominator: bigint } | undefined {
  const text = String(quantity)
  const match = text.length <= lengthLimit ? form.exec(text) : null
  const [, sign, whole = '', part = '', suffix = '', exponent = '0'] = match ?? []
  if (match === null || whole + part === '') return undefined
  const digits = BigInt(whole + part) * (sign === '-' ? -1n : 1n)
  const tens = (decimal[suffix] ?? 0) + Number(exponent) - part.length
  const scaled = digits * 2n ** BigInt(binary[suffix] ?? 0)
  return tens < 0
    ? { numerator: scaled, denominator: 10n ** BigInt(-tens) }
    : { numerator: scaled * 10n ** BigInt(tens), denominator: 1n }
}

function ceiling(numerator: bigint, denominator: bigint): bigint {
  return (numerator + denominator - 1n) / denominator
}
