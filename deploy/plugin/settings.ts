import { parse } from 'yaml'
import { nearestName } from '../../lib/config/unknown.ts'

/** The file of a cluster cannot be used. `problems` has one sentence for each problem. */
export class ClusterFileRefused extends Error {
  override readonly name = 'ClusterFileRefused'
  readonly problems: readonly string[]

  constructor(file: string, problems: readonly string[]) {
    super(`${file} cannot be used:\n${problems.map(each => `  - ${each}`).join('\n')}`)
    this.problems = problems
  }
}

/** The values of a YAML file by the path of their key, such as `cluster.endpoint`. A key without a value counts as unset. */
export class Settings {
  readonly problems: string[] = []
  readonly #values = new Map<string, unknown>()
  readonly #known: readonly string[]

  /** @param known the paths of all keys. The value of one may be a map. */
  constructor(text: string, known: readonly string[]) {
    this.#known = known
    try {
      const document: unknown = parse(text) ?? {}
      if (isMap(document)) this.#take(document, '')
      else this.problems.push('It has to be a map of keys and values')
    } catch (thrown) {
      // The first line of the parser's message says what is wrong and where; the others show the file.
      this.problems.push(
        `It is no YAML: ${String(thrown instanceof Error ? thrown.message : thrown).split('\n')[0]}`,
      )
    }
  }

  /** @param expected the end of the problem's sentence: what to write instead */
  text(path: string, pattern: RegExp, expected: string): string | undefined {
    const value = this.#values.get(path)
    if (value === undefined) return undefined
    if (typeof value === 'string' && pattern.test(value)) return value
    this.problems.push(`${path} is ${shown(value)}; write ${expected}`)
    return undefined
  }

  /** Reads the ARN of a secret. Somebody may write the secret itself, so the problem does not show the value. */
  secretArn(path: string, pattern: RegExp, expected: string): string | undefined {
    const value = this.#values.get(path)
    if (value === undefined || (typeof value === 'string' && pattern.test(value))) return value
    this.problems.push(`${path} is no ARN; write ${expected}`)
    return undefined
  }

  texts(path: string, pattern: RegExp, expected: string): string[] {
    const value = this.#values.get(path) ?? []
    if (Array.isArray(value) && value.every(each => typeof each === 'string' && pattern.test(each)))
      return value
    this.problems.push(`${path} is ${shown(value)}; write a list of ${expected}`)
    return []
  }

  integer(path: string, minimum: number, maximum: number): number | undefined {
    const value = this.#values.get(path)
    if (value === undefined) return undefined
    if (Number.isInteger(value) && Number(value) >= minimum && Number(value) <= maximum) return Number(value)
    this.problems.push(`${path} is ${shown(value)}; write a whole number from ${minimum} to ${maximum}`)
    return undefined
  }

  oneOf<T>(path: string, values: readonly T[]): T | undefined {
    const value = this.#values.get(path)
    if (value === undefined || values.includes(value as T)) return value as T | undefined
    this.problems.push(`${path} is ${shown(value)}; write one of ${values.join(', ')}`)
    return undefined
  }

  /** Reads a map of texts. A number or `true` counts as its text, and a list as its parts with commas between. */
  map(path: string): Record<string, string> {
    const value = this.#values.get(path) ?? {}
    if (!isMap(value)) {
      this.problems.push(`${path} is ${shown(value)}; write a map of names and values`)
      return {}
    }
    const entries = Object.entries(value).filter(([, each]) => each !== null)
    for (const [name, each] of entries.filter(([, each]) => isMap(each)))
      this.problems.push(`${path}.${name} is ${shown(each)}; write a text, a number or a list`)
    return Object.fromEntries(entries.map(([name, each]) => [name, String(each)]))
  }

  #take(map: Record<string, unknown>, above: string): void {
    for (const [name, value] of Object.entries(map)) {
      const path = above + name
      const isSection = this.#known.some(each => each.startsWith(`${path}.`))
      if (isSection && isMap(value)) this.#take(value, `${path}.`)
      else if (isSection && value !== null)
        this.problems.push(`${path} is ${shown(value)}; write its keys below it: ${this.#below(path)}`)
      else if (!isSection && !this.#known.includes(path)) this.problems.push(this.#unknown(path))
      else if (value !== null) this.#values.set(path, value)
    }
  }

  #below(path: string): string {
    return this.#known.filter(each => each.startsWith(`${path}.`)).join(', ')
  }

  #unknown(path: string): string {
    const last = path.slice(path.lastIndexOf('.') + 1)
    const sections = this.#known.map(each => each.split('.')[0] ?? each)
    const near =
      nearestName(path, [...this.#known, ...sections], Math.ceil(path.length / 4)) ??
      this.#known.find(each => each.endsWith(`.${last}`))
    return near === undefined || near === path
      ? `${path} is not known; the keys are in deploy.example.yml`
      : `${path} is not known; did you mean ${near}?`
  }
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Characters of a value that a problem shows: enough to recognise it. */
const shownLimit = 60

function shown(value: unknown): string {
  const text = JSON.stringify(value)
  return text.length > shownLimit ? `${text.slice(0, shownLimit)}…` : text
}
