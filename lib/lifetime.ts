import type { OperatorConfig } from './config/operator.ts'
import type { ChallengeInstance } from './crd/challenge-instance.ts'
import type { ChallengeTemplate } from './crd/challenge-template.ts'

type Defaults = Pick<OperatorConfig, 'defaultTtlMinutes'>

const minute = 60_000

/** RFC 3339 with a zone. A date without a zone would depend on the machine that reads it. */
const form =
  /^(\d{4})-(\d\d)-(\d\d)[Tt]([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,9})?([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)$/

/** @returns epoch milliseconds; undefined if the text is no RFC 3339 date with a zone */
export function parseTime(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const [, year = '', month = '', day = ''] = form.exec(text) ?? []
  // Date.parse reads 30 February as 2 March.
  const days = new Date(Date.UTC(Number(year), Number(month), 0)).getUTCDate()
  if (year === '' || Number(month) < 1 || Number(month) > 12 || Number(day) < 1 || Number(day) > days)
    return undefined
  return Date.parse(text.toUpperCase())
}

/**
 * Returns the end of an instance: `spec.expiresAt`, or creation + TTL, and at the latest creation + `maxTtlMinutes` and
 * `availableUntil`. A date that `parseTime` does not read counts as absent; the schemas refuse most of these.
 * @param template undefined if it is gone or was not read. Only the instance then moves the reported end
 * @returns epoch milliseconds; undefined if the instance does not end
 */
export function expiresAt(
  instance: ChallengeInstance,
  template: ChallengeTemplate | undefined,
  { defaultTtlMinutes }: Defaults,
): number | undefined {
  const asked = parseTime(instance.spec.expiresAt)
  if (template === undefined) return withoutTemplate(instance, asked)
  const ttl = template.spec.ttlMinutes ?? defaultTtlMinutes
  const own = asked ?? fromCreation(instance, ttl)
  const furthest = fromCreation(instance, template.spec.maxTtlMinutes)
  return earliest(own, furthest, parseTime(template.spec.availableUntil))
}

/** Returns the end of an instance if it has passed. @param now epoch milliseconds */
export function expiredAt(
  instance: ChallengeInstance,
  template: ChallengeTemplate | undefined,
  defaults: Defaults,
  now: number,
): number | undefined {
  const at = expiresAt(instance, template, defaults)
  return at !== undefined && at <= now ? at : undefined
}

/** Returns the time at which a template opens if it has not opened yet. @param now epoch milliseconds */
export function notYetAvailable({ spec }: ChallengeTemplate, now: number): number | undefined {
  const opens = parseTime(spec.availableFrom)
  return opens !== undefined && opens > now ? opens : undefined
}

/** Formats a time as a status has it, without a fraction of zero. */
export function rfc3339(at: number): string {
  return new Date(at).toISOString().replace('.000Z', 'Z')
}

/**
 * Returns the end as far as the instance alone says. The reported end followed from the template too, and holds for the
 * spec that it was reported for. A newer spec may be a renewal, so the date of the spec counts then.
 */
function withoutTemplate(
  { metadata, status }: ChallengeInstance,
  asked: number | undefined,
): number | undefined {
  const reported = parseTime(status?.expiresAt)
  return status?.observedGeneration === metadata.generation ? (reported ?? asked) : (asked ?? reported)
}

function fromCreation({ metadata }: ChallengeInstance, minutes: number | undefined): number | undefined {
  const created = parseTime(metadata.creationTimestamp)
  return created === undefined || minutes === undefined ? undefined : created + minutes * minute
}

function earliest(...times: (number | undefined)[]): number | undefined {
  const known = times.filter(time => time !== undefined)
  return known.length === 0 ? undefined : Math.min(...known)
}
