import { parseSecretArn, type SecretReference, secretArnForm } from './secret-reference.ts'

export type Environment = Readonly<Record<string, string | undefined>>

/** One part of the configuration. Reads its variables and adds every problem that they have. */
export type Section<T> = (variables: Variables) => T

/** A value that is given, or named where AWS keeps it. */
export interface Secret {
  value: string | undefined
  reference: SecretReference | undefined
}

/** The configuration cannot be used. `problems` has a sentence for each problem and never the value of a secret. */
export class OperatorMisconfigured extends Error {
  override readonly name = 'OperatorMisconfigured'
  /** The exit code `EX_CONFIG` of sysexits.h. */
  readonly exitCode = 78
  readonly problems: readonly string[]

  constructor(problems: readonly string[]) {
    super(`The configuration cannot be used:\n${problems.map(each => `  - ${each}`).join('\n')}`)
    this.problems = problems
  }
}

/** The environment that the sections read. An empty variable counts as unset. */
export class Variables {
  readonly problems: string[] = []
  readonly names: readonly string[]
  readonly #environment: Environment

  constructor(environment: Environment) {
    this.#environment = environment
    this.names = Object.keys(environment).filter(name => this.text(name) !== undefined)
  }

  addProblem(sentence: string): void {
    if (!this.problems.includes(sentence)) this.problems.push(sentence)
  }

  text(name: string): string | undefined {
    const value = this.#environment[name]
    return value === undefined || value === '' ? undefined : value
  }

  /** @param why the end of the problem's sentence: what needs the variable */
  required(name: string, why: string): string {
    const value = this.text(name)
    if (value === undefined) this.addProblem(`${name} is not set; ${why}`)
    return value ?? ''
  }

  /** Reads a value that no problem may show. It may be kept by AWS: `<name>_SECRET_ARN` then names it. */
  secret(name: string): Secret {
    const byArn = `${name}_SECRET_ARN`
    for (const mistaken of new Set([`${name}_ARN`, `${name.replace(/_(SECRET|URL)$/, '')}_SECRET_ARN`]))
      if (mistaken !== byArn && this.text(mistaken) !== undefined)
        this.addProblem(`${mistaken} is not read; the ARN of the secret with ${name} is given as ${byArn}`)
    const arn = this.text(byArn)
    if (arn === undefined) return { value: this.text(name), reference: undefined }
    const reference = parseSecretArn(arn, name)
    if (reference === undefined) this.addProblem(`${byArn} is ${shown(arn)}; write ${secretArnForm}`)
    return { value: this.text(name), reference }
  }

  url(name: string): string | undefined {
    const value = this.text(name)
    if (value === undefined || /^https?:$/.test(URL.parse(value)?.protocol ?? '')) return value
    this.addProblem(`${name} is ${shown(value)}; write an http(s) URL`)
    return undefined
  }

  /** @param expected the end of the problem's sentence, which shows the value: what to write instead */
  matching(name: string, pattern: RegExp, expected: string): string | undefined {
    const value = this.text(name)
    if (value === undefined || pattern.test(value)) return value
    this.addProblem(`${name} is ${shown(value)}; write ${expected}`)
    return undefined
  }

  /** Reads a list with commas between its parts. Removes blanks around the parts, and duplicates. */
  list(name: string, pattern: RegExp, expected: string): string[] | undefined {
    const value = this.text(name)
    if (value === undefined) return undefined
    const parts = value.split(',').map(part => part.trim())
    for (const part of parts.filter(each => !pattern.test(each)))
      this.addProblem(`${name} has ${shown(part)}; write ${expected}, with commas between several`)
    return [...new Set(parts)]
  }

  /** Reads a list whose order means nothing. It is sorted, so that another order is not another setting. */
  set(name: string, pattern: RegExp, expected: string): string[] | undefined {
    return this.list(name, pattern, expected)?.toSorted()
  }

  integer(name: string, minimum: number, maximum: number, unit?: string): number | undefined {
    const value = this.text(name)
    if (value === undefined) return undefined
    const number = /^\d{1,15}$/.test(value) ? Number(value) : Number.NaN
    if (number >= minimum && number <= maximum) return number
    this.addProblem(
      `${name} is ${shown(value)}; write a whole number${unit === undefined ? '' : ` of ${unit}`} from ${minimum} to ${maximum}`,
    )
    return undefined
  }

  oneOf<T extends string>(name: string, values: readonly T[]): T | undefined {
    const value = this.text(name)
    if (value === undefined || values.includes(value as T)) return value as T | undefined
    this.addProblem(`${name} is ${shown(value)}; write one of ${values.join(', ')}`)
    return undefined
  }
}

type Sections = Record<string, Section<unknown>>

/**
 * Reads the sections that a function needs and reports the problems of all of them at once.
 * @throws OperatorMisconfigured
 */
export function readConfig<T extends Sections>(
  environment: Environment,
  sections: T,
): { [K in keyof T]: ReturnType<T[K]> } {
  const variables = new Variables(environment)
  const read = Object.entries(sections).map(([name, section]) => [name, section(variables)])
  if (variables.problems.length > 0) throw new OperatorMisconfigured(variables.problems)
  return Object.fromEntries(read)
}

/** Characters of a value that a problem shows: enough to recognise it. */
const shownLimit = 60

function shown(value: string): string {
  return JSON.stringify(value.length > shownLimit ? `${value.slice(0, shownLimit)}…` : value)
}
