import { creditMinutes, creditMs, creditScope } from './clock/credits.ts'
import type { ClockState } from './clock/state.ts'
import type { OperatorConfig } from './config/operator.ts'
import type { ChallengeInstance } from './crd/challenge-instance.ts'
import type { ChallengeTemplate } from './crd/challenge-template.ts'

/** What an end follows from, beside the instance and its template. */
export type EndRules = Pick<OperatorConfig, 'defaultTtlMinutes'> & Pick<ClockState, 'credits'>

const minute = 60_000

const monthsAndDays =
  '((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))'
const leapYear = '([0-9]{2}(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)'
const hourAndMinute = '([01][0-9]|2[0-3]):[0-5][0-9]'

/**
 * RFC 3339 with a zone. A date without a zone would depend on the machine that reads it. Date.parse alone reads 30 February
 * as 2 March. The rules of the CRDs have the same text, so the API server takes exactly the dates that are read here.
 * It has no backslash, since CEL would have to escape it.
 */
export const datePattern =
  `^([0-9]{4}-${monthsAndDays}|${leapYear}-02-29)` +
  `[Tt]${hourAndMinute}:[0-5][0-9]([.][0-9]{1,9})?([Zz]|[+-]${hourAndMinute})$`

/** The advice for a text that `datePattern` does not match. The rules of the CRDs have the same. */
export const dateAdvice = 'write an RFC 3339 date with a zone, for example 2026-11-28T18:00:00Z'

const date = new RegExp(datePattern)

/**
 * Clocks of machines that are kept in step differ by less than this, in milliseconds. NTP holds them within tens of
 * milliseconds, and a time in the metadata of an object is cut to a second.
 */
export const clockSkewMs = 5_000

/** @returns epoch milliseconds; undefined if the text is no RFC 3339 date with a zone */
export function parseTime(text: string | undefined): number | undefined {
  return text !== undefined && date.test(text) ? Date.parse(text.toUpperCase()) : undefined
}

/**
 * Returns the end of an instance: `spec.expiresAt`, or creation + TTL, at the latest creation + `maxTtlMinutes`, plus the
 * credits that count for it, and at the latest `availableUntil`. A date that `parseTime` does not read counts as absent. The schemas refuse it, so only an object that
 * was stored under an earlier schema has one; `decide` reports it.
 * @param template undefined if it is gone or was not read. Only the instance then moves the reported end
 * @returns epoch milliseconds; undefined if the instance does not end
 */
export function expiresAt(
  instance: ChallengeInstance,
  template: ChallengeTemplate | undefined,
  { defaultTtlMinutes, credits }: EndRules,
): number | undefined {
  const asked = parseTime(instance.spec.expiresAt)
  if (template === undefined) return withoutTemplate(instance, asked, credits)
  const ttl = template.spec.ttlMinutes ?? defaultTtlMinutes
  const own = asked ?? fromCreation(instance, ttl)
  const furthest = fromCreation(instance, template.spec.maxTtlMinutes)
  const base = earliest(own, furthest)
  const credited = base === undefined ? undefined : base + creditMs(instance, credits)
  return earliest(credited, parseTime(template.spec.availableUntil))
}

/**
 * Whether the reported end of an instance includes the credits that count for it. If it does not, the end is not known
 * without the template.
 */
export function creditsReported(
  instance: ChallengeInstance,
  { credits }: Pick<EndRules, 'credits'>,
): boolean {
  return (instance.status?.creditMinutes ?? 0) === creditMinutes(creditScope(instance), credits)
}

/** Returns the end of an instance if it has passed. @param now epoch milliseconds */
export function expiredAt(
  instance: ChallengeInstance,
  template: ChallengeTemplate | undefined,
  rules: EndRules,
  now: number,
): number | undefined {
  const at = expiresAt(instance, template, rules)
  return at !== undefined && at <= now ? at : undefined
}

/** Returns the time at which a template opens if it has not opened yet. @param now epoch milliseconds */
export function notYetAvailable({ spec }: ChallengeTemplate, now: number): number | undefined {
  const opens = parseTime(spec.availableFrom)
  return opens !== undefined && opens > now ? opens : undefined
}

/**
 * Returns when the platform is warned of an end, in epoch milliseconds; undefined: never.
 * @param end epoch milliseconds
 */
export function warnedAt(end: number | undefined, warnMinutes: number): number | undefined {
  return end === undefined || warnMinutes === 0 ? undefined : end - warnMinutes * minute
}

/** Formats a time as a status has it, without a fraction of zero. */
export function rfc3339(at: number): string {
  return new Date(at).toISOString().replace('.000Z', 'Z')
}

/**
 * Returns the end as far as the instance alone says. The reported end followed from the template too, and holds for the
 * spec that it was reported for. A newer spec may be a renewal, so the date of the spec counts then. Credits that the
 * reported end does not include move it. Where `availableUntil` had cut that end, the template alone knows better.
 */
function withoutTemplate(
  instance: ChallengeInstance,
  asked: number | undefined,
  credits: ClockState['credits'],
): number | undefined {
  const { metadata, status } = instance
  const present = creditMs(instance, credits)
  const reportedEnd = parseTime(status?.expiresAt)
  const reported =
    reportedEnd === undefined ? undefined : reportedEnd + present - (status?.creditMinutes ?? 0) * minute
  const renewed = asked === undefined ? undefined : asked + present
  return status?.observedGeneration === metadata.generation ? (reported ?? renewed) : (renewed ?? reported)
}

function fromCreation({ metadata }: ChallengeInstance, minutes: number | undefined): number | undefined {
  const created = parseTime(metadata.creationTimestamp)
  return created === undefined || minutes === undefined ? undefined : created + minutes * minute
}

function earliest(...times: (number | undefined)[]): number | undefined {
  const known = times.filter(time => time !== undefined)
  return known.length === 0 ? undefined : Math.min(...known)
}
