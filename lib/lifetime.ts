import type { OperatorConfig } from './config/operator.ts'
import type { ChallengeInstance } from './crd/challenge-instance.ts'
import type { ChallengeTemplate } from './crd/challenge-template.ts'

/** When an instance ends. Times in epoch milliseconds. */
export interface Lifetime {
  /** Undefined: never. */
  at: number | undefined
  /** Dates that were left out because they are none, a sentence each. */
  complaints: string[]
}

type Defaults = Pick<OperatorConfig, 'defaultTtlMinutes'>

const minute = 60_000

/** RFC 3339 with a zone: without one a date would mean whatever the reader's machine thinks. */
const form =
  /^(\d{4})-(\d\d)-(\d\d)[Tt]([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,9})?([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)$/

/** @returns epoch milliseconds, undefined where it is no RFC 3339 date with a zone */
export function parseTime(text: string): number | undefined {
  const [, year = '', month = '', day = ''] = form.exec(text) ?? []
  // Date.parse makes 2 March of 30 February.
  const days = new Date(Date.UTC(Number(year), Number(month), 0)).getUTCDate()
  if (year === '' || Number(month) < 1 || Number(month) > 12 || Number(day) < 1 || Number(day) > days)
    return undefined
  return Date.parse(text.toUpperCase())
}

/**
 * `spec.expiresAt` or creation + TTL, at most creation + `maxTtlMinutes`, at most `availableUntil`.
 * @param template undefined: it is gone; what was reported of the end then stays, and only the instance moves it
 */
export function expiresAt(
  instance: ChallengeInstance,
  template: ChallengeTemplate | undefined,
  { defaultTtlMinutes }: Defaults,
): Lifetime {
  const complaints: string[] = []
  const time = (field: string, text: string | undefined) => {
    const parsed = text === undefined ? undefined : parseTime(text)
    if (text !== undefined && parsed === undefined) complaints.push(notADate(field, text))
    return parsed
  }
  const asked = time('spec.expiresAt', instance.spec.expiresAt)
  const reported = parseTime(instance.status?.expiresAt ?? '')
  if (template === undefined) return { at: earliest(asked, reported), complaints }
  const ttl = template.spec.ttlMinutes ?? defaultTtlMinutes
  const own = asked ?? fromCreation(instance, ttl)
  const closes = time('availableUntil of the template', template.spec.availableUntil)
  return { at: earliest(own, furthest(instance, template), closes), complaints }
}

/** The end, where it has passed. @param now epoch milliseconds */
export function expiredAt(
  instance: ChallengeInstance,
  template: ChallengeTemplate | undefined,
  defaults: Defaults,
  now: number,
): { at: number } | undefined {
  const { at } = expiresAt(instance, template, defaults)
  return at !== undefined && at <= now ? { at } : undefined
}

/** When the template opens, where that is still to come. @param now epoch milliseconds */
export function notYetAvailable({ spec }: ChallengeTemplate, now: number): number | undefined {
  const opens = parseTime(spec.availableFrom ?? '')
  return opens !== undefined && opens > now ? opens : undefined
}

/** As a status has it: whole seconds where they are whole. */
export function rfc3339(at: number): string {
  return new Date(at).toISOString().replace('.000Z', 'Z')
}

/** How far renewals may reach. */
function furthest(instance: ChallengeInstance, { spec }: ChallengeTemplate): number | undefined {
  return fromCreation(instance, spec.maxTtlMinutes)
}

function fromCreation({ metadata }: ChallengeInstance, minutes: number | undefined): number | undefined {
  const created = parseTime(metadata.creationTimestamp ?? '')
  return created === undefined || minutes === undefined ? undefined : created + minutes * minute
}

function earliest(...times: (number | undefined)[]): number | undefined {
  const known = times.filter(time => time !== undefined)
  return known.length === 0 ? undefined : Math.min(...known)
}

function notADate(field: string, text: string): string {
  const shown = JSON.stringify(text.slice(0, 40))
  return `${field} is ${shown}, which is no date with a zone; write for example 2026-11-28T18:00:00Z.`
}
