import { isMap, isScalar, isSeq, LineCounter, type Pair, parseDocument, type YAMLMap } from 'yaml'
import { clockSkewMs, dateAdvice, parseTime } from '../lifetime.ts'
import type { ClockOrder, Credit } from './state.ts'

/** The part of a ConfigMap that is read. */
export interface ClockSource {
  data?: Record<string, string> | undefined
  binaryData?: Record<string, string> | undefined
}

export type ParsedClock = { order: ClockOrder } | { problems: string[] }

/** Enough for an event of weeks with a credit every hour. */
export const creditLimit = 500
/** Characters, 120 for each of the most credits. The parser takes up to a second for a hostile text of this length. */
const creditTextLimit = 60_000
/** Thirty days, the limit of `ttlMinutes` in the CRD. */
const minutesLimit = 43_200
/** The limits of `owner` in the CRD. */
const largestId = 2_147_483_647
const nestedTooDeeply = 'cannot be read: its values are nested too deeply'
/** The most complaints that are told. A file of another shape has as many as it has lines. */
const complaintLimit = 10

const idPattern = /^[A-Za-z0-9]([-._A-Za-z0-9]{0,61}[A-Za-z0-9])?$/
const templatePattern = /^[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?$/

const keys = ['paused', 'lockdown', 'credits']

/**
 * Parses the ConfigMap of the organiser's clock. It is valid as a whole or not at all.
 * @param now epoch milliseconds, before which each credit has to be given; undefined: any time is taken
 */
export function parseClock(
  { data = {}, binaryData = {} }: ClockSource,
  now: number | undefined,
): ParsedClock {
  const problems: string[] = []
  for (const key of [...Object.keys(data), ...Object.keys(binaryData)])
    if (!keys.includes(key))
      problems.push(`data.${shown(key)} is not known; write ${keys.map(each => `data.${each}`).join(', ')}`)
  for (const key of Object.keys(binaryData))
    if (keys.includes(key)) problems.push(`binaryData.${key} is not read; write data.${key}`)
  const paused = flag('paused', data.paused, problems)
  const lockdown = flag('lockdown', data.lockdown, problems)
  const credits = data.credits === undefined ? undefined : creditsOf(data.credits, now, problems)
  if (problems.length === 0) return { order: { paused, lockdown, credits } }
  const untold = problems.length - complaintLimit
  return {
    problems: [...problems.slice(0, complaintLimit), ...(untold > 0 ? [`and ${untold} more problems`] : [])],
  }
}

function flag(key: string, text: string | undefined, problems: string[]): boolean {
  const value = text?.trim()
  if (value !== undefined && value !== 'true' && value !== 'false')
    problems.push(`data.${key} is ${shown(value)}; write "true" or "false"`)
  return value === 'true'
}

function creditsOf(text: string, now: number | undefined, problems: string[]): Credit[] {
  if (text.length > creditTextLimit) {
    problems.push(`data.credits has ${text.length} characters; ${creditTextLimit} are allowed`)
    return []
  }
  const items = itemsOf(text)
  if (typeof items === 'string') {
    problems.push(`data.credits ${items}`)
    return []
  }
  const credits = new Map<string, Credit>()
  for (const [index, item] of items.entries()) {
    const before = problems.length
    const credit = creditOf(item, now, problem => problems.push(`data.credits[${index}]${problem}`))
    if (credit === undefined || problems.length > before) continue
    const known = credits.get(credit.id)
    if (known !== undefined && !isSame(known, credit))
      problems.push(`data.credits[${index}].id is that of another credit; each credit needs an id of its own`)
    credits.set(credit.id, credit)
  }
  return [...credits.values()]
}

/**
 * Reads the list without making values of it, so that an alias is never followed: a few lines of them stand for billions of
 * values. @returns what is wrong with the text
 */
function itemsOf(text: string): unknown[] | string {
  const lines = new LineCounter()
  let document: ReturnType<typeof parseDocument>
  try {
    document = parseDocument(text, { schema: 'core', lineCounter: lines, prettyErrors: false })
  } catch {
    return nestedTooDeeply
  }
  const [error] = [...document.errors, ...document.warnings]
  if (error?.message.includes('call stack')) return nestedTooDeeply
  if (error) return `is no YAML: ${error.message} (line ${lines.linePos(error.pos[0]).line})`
  const list = document.contents
  if (list === null || (isScalar(list) && list.value === null))
    return 'is empty; write [] to take all credits away, or remove data.credits to leave them as they are'
  if (!isSeq(list)) return 'is no list; write one item with id, minutes and at for each credit'
  if (list.items.length > creditLimit)
    return `has ${list.items.length} credits; ${creditLimit} are allowed, so remove those of instances that are gone`
  return list.items
}

function creditOf(
  item: unknown,
  now: number | undefined,
  addProblem: (problem: string) => void,
): Credit | undefined {
  if (!isMap(item)) {
    addProblem(' is no credit; write id, minutes and at')
    return undefined
  }
  const fields = fieldsOf(item, addProblem)
  const credit: Credit = {
    id: idOf(fields.get('id'), addProblem),
    minutes: integerOf(
      'minutes',
      fields.get('minutes'),
      { from: -minutesLimit, to: minutesLimit },
      addProblem,
    ),
    at: timeOf(fields.get('at'), now, addProblem),
  }
  const { event, template, team } = Object.fromEntries(fields)
  if (event) credit.event = integerOf('event', event, { from: 1, to: largestId }, addProblem)
  if (team) credit.team = integerOf('team', team, { from: 0, to: largestId }, addProblem)
  if (template) credit.template = templateOf(template, addProblem)
  return credit
}

interface Field {
  value: unknown
  /** The text of the value as it was written. `001` stays what it is. */
  text: string
}

const creditFields = ['id', 'minutes', 'at', 'event', 'template', 'team']

function fieldsOf(item: YAMLMap, addProblem: (problem: string) => void): Map<string, Field> {
  const fields = new Map<string, Field>()
  for (const { key, value } of item.items as Pair[]) {
    const name = isScalar(key) ? String(key.value) : ''
    if (!creditFields.includes(name))
      addProblem(` has the field ${shown(name)}, which is not known; write ${creditFields.join(', ')}`)
    else if (!isScalar(value)) addProblem(`.${name} is no plain value`)
    else fields.set(name, { value: value.value, text: value.source ?? String(value.value) })
  }
  return fields
}

function idOf(field: Field | undefined, addProblem: (problem: string) => void): string {
  if (field === undefined) addProblem('.id is missing')
  else if (!idPattern.test(field.text))
    addProblem(`.id is ${shown(field.text)}; write at most 63 letters, digits, "-", "_" and "."`)
  return field?.text ?? ''
}

function templateOf({ text }: Field, addProblem: (problem: string) => void): string {
  if (!templatePattern.test(text)) addProblem(`.template is ${shown(text)}; write the name of a template`)
  return text
}

function integerOf(
  name: string,
  field: Field | undefined,
  { from, to }: { from: number; to: number },
  addProblem: (problem: string) => void,
): number {
  const { value, text } = field ?? {}
  if (Number.isInteger(value) && (value as number) >= from && (value as number) <= to) return value as number
  const advice = `write an integer from ${from} to ${to}`
  addProblem(text === undefined ? `.${name} is missing; ${advice}` : `.${name} is ${shown(text)}; ${advice}`)
  return 0
}

function timeOf(
  field: Field | undefined,
  now: number | undefined,
  addProblem: (problem: string) => void,
): number {
  const at = parseTime(field?.text)
  if (at === undefined)
    addProblem(
      field === undefined ? `.at is missing; ${dateAdvice}` : `.at is ${shown(field.text)}; ${dateAdvice}`,
    )
  else if (now !== undefined && at > now + clockSkewMs)
    addProblem(`.at is ${shown(field?.text ?? '')}, which lies in the future; write when the credit is given`)
  return at ?? 0
}

function isSame(one: Credit, other: Credit): boolean {
  return (
    one.minutes === other.minutes &&
    one.at === other.at &&
    one.event === other.event &&
    one.template === other.template &&
    one.team === other.team
  )
}

/** A text of the ConfigMap in a complaint, at most 60 characters of it. */
function shown(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text)
}
