/** The power of ten, or of two, that each suffix stands for. */
const decimal: Record<string, number> = { n: -9, u: -6, m: -3, '': 0, k: 3, M: 6, G: 9, T: 12, P: 15, E: 18 }
const binary: Record<string, number> = { Ki: 10, Mi: 20, Gi: 30, Ti: 40, Pi: 50, Ei: 60 }

const form = /^([+-]?)(\d*)(?:\.(\d*))?(?:([numkMGTPE]|[KMGTPE]i)|[eE]([+-]?\d{1,3}))?$/

/** Characters of a quantity. A quantity that is written by hand is shorter. */
const lengthLimit = 40

/** The status fields are 32-bit integers. No machine comes near this limit. */
const resultLimit = 2n ** 31n - 1n

const mebi = 2n ** 20n

/** @returns millicores, rounded up, or a sentence with the problem and what to write instead */
export function cpuMillicores(quantity: string | number): number | string {
  const value = fraction(quantity)
  if (typeof value === 'string') return value
  const result = ceiling(value.numerator * 1000n, value.denominator)
  return result > resultLimit ? tooLarge(quantity, '500m or 2') : Number(result)
}

/** @returns mebibytes, rounded up, or a sentence with the problem and what to write instead */
export function memoryMebibytes(quantity: string | number): number | string {
  const value = fraction(quantity)
  if (typeof value === 'string') return value
  if (value.numerator < value.denominator * mebi)
    return `${JSON.stringify(quantity)} is less than a mebibyte (m means thousandths of a byte); write for example 128Mi`
  const result = ceiling(value.numerator, value.denominator * mebi)
  return result > resultLimit ? tooLarge(quantity, '128Mi or 2Gi') : Number(result)
}

/** Parses a quantity as an exact fraction. The API server does not round, and a double would. */
function fraction(quantity: string | number): { numerator: bigint; denominator: bigint } | string {
  const text = String(quantity)
  const match = text.length <= lengthLimit ? form.exec(text) : null
  const [, sign, whole = '', part = '', suffix = '', exponent = '0'] = match ?? []
  if (match === null || whole + part === '')
    return `${JSON.stringify(text.slice(0, lengthLimit))} is no quantity; write for example 500m, 0.5, 128Mi or 1Gi`
  const digits = BigInt(whole + part)
  if (sign === '-' || digits === 0n) return `${JSON.stringify(text)} must be more than zero`
  const tens = (decimal[suffix] ?? 0) + Number(exponent) - part.length
  const scaled = digits * 2n ** BigInt(binary[suffix] ?? 0)
  return tens < 0
    ? { numerator: scaled, denominator: 10n ** BigInt(-tens) }
    : { numerator: scaled * 10n ** BigInt(tens), denominator: 1n }
}

function ceiling(numerator: bigint, denominator: bigint): bigint {
  return (numerator + denominator - 1n) / denominator
}

function tooLarge(quantity: string | number, example: string): string {
  return `${JSON.stringify(quantity)} is more than any machine has; write for example ${example}`
}
