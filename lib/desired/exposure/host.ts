import { createHmac } from 'node:crypto'
import {
  type HostPlaceholder,
  hostHashLength,
  hostLabelLength,
  hostLabels,
  hostLength,
} from '../../config/host-template.ts'
import type { OperatorConfig } from '../../config/operator.ts'
import type { ChallengeInstance } from '../../crd/challenge-instance.ts'
import type { ChallengeTemplateSpec } from '../../crd/challenge-template.ts'
import type { Stored } from '../../crd/objects.ts'
import type { Problem } from '../problem.ts'

/** Separates this use of FLAG_SECRET from its other uses. */
const purpose = 'challenge-operator/host/v1'

/** Characters of a host that a message shows. */
const shownLimit = 80

/**
 * Returns the host under which players reach an instance, or why there is none. The host holds 64 bits of an HMAC of the
 * instance's uid under a key that is derived from FLAG_SECRET, so it follows from nothing that a player can know. A host that
 * was reported keeps its hash, so that another FLAG_SECRET moves nobody.
 */
export function exposureHost(
  instance: Stored<ChallengeInstance>,
  spec: Pick<ChallengeTemplateSpec, 'exposure'>,
  { exposure, flagSecret }: Pick<OperatorConfig, 'exposure' | 'flagSecret'>,
): string | Problem {
  const template = spec.exposure?.host ?? exposure.hostTemplate
  const { metadata, spec: own, status } = instance
  const reported = status?.exposure?.host
  if (flagSecret === undefined && reported === undefined) return unsupported(noFlagSecret)
  if (exposure.domain === undefined && template.includes('{domain}'))
    return unsupported('OPERATOR_DOMAIN is not set; it is the domain of the hosts of challenges')
  const values = {
    name: metadata.name,
    domain: exposure.domain ?? '',
    team: String(own.owner.teamId),
    event: String(own.owner.eventId),
    template: labelText(own.templateRef),
  }
  const kept =
    reported === undefined ? undefined : hashIn(reported, filledHost(template, { ...values, hash: anyHash }))
  if (kept === undefined && flagSecret === undefined) return unsupported(noFlagSecret)
  const hash = kept ?? hostHash(metadata.uid, flagSecret ?? '')
  const host = filledHost(template, { ...values, hash })
  if (host.length <= hostLength) return host
  const shown = `${host.slice(0, shownLimit)}…`
  return unsupported(
    `The host "${shown}" has ${host.length} characters, and a DNS name has at most ${hostLength}; shorten OPERATOR_DOMAIN or the host template`,
  )
}

const noFlagSecret = 'FLAG_SECRET is not set, and hosts that nobody guesses are made with it'

/** Stands for the hash in a host. It has the length of one, and characters that no host has. */
const anyHash = '?'.repeat(hostHashLength)

function filledHost(template: string, values: Record<HostPlaceholder, string>): string {
  return hostLabels(template)
    .map(label => (label === '{domain}' ? values.domain : filledLabel(label, values)))
    .join('.')
}

/** Returns the hash of a host, if the host differs from the other one in nothing else. */
function hashIn(host: string, withAnyHash: string): string | undefined {
  const at = withAnyHash.indexOf(anyHash)
  const hash = host.slice(at, at + hostHashLength)
  if (at < 0 || !/^[0-9a-f]+$/.test(hash)) return undefined
  return withAnyHash.replaceAll(anyHash, hash) === host ? hash : undefined
}

function unsupported(sentence: string): Problem {
  return { reason: 'ExposureUnsupported', message: `${sentence}.` }
}

function hostHash(uid: string, flagSecret: string): string {
  const key = createHmac('sha256', flagSecret).update(purpose).digest()
  return createHmac('sha256', key).update(uid).digest('hex').slice(0, hostHashLength)
}

/** Fills a label in. A label that would be too long loses the ends of its longest values, and never a part of its hash. */
function filledLabel(label: string, values: Record<HostPlaceholder, string>): string {
  const names = [...label.matchAll(/\{(\w+)\}/g)].map(([, name]) => name as HostPlaceholder)
  const cut = { ...values }
  const fill = () => label.replaceAll(/\{(\w+)\}/g, (_, name: HostPlaceholder) => cut[name])
  let filled = fill()
  while (filled.length > hostLabelLength) {
    const [longest] = names.filter(name => name !== 'hash').toSorted((a, b) => cut[b].length - cut[a].length)
    if (longest === undefined || cut[longest].length <= 1) break
    cut[longest] = cut[longest].slice(0, -1)
    filled = fill()
  }
  return withoutDashes(filled)
}

/** A label may neither begin nor end with a dash. A value that was cut, or a template's name, may. */
function withoutDashes(label: string): string {
  return label.replace(/^-+|-+$/g, '')
}

/** The name of a template may have dots, which would begin another label. */
function labelText(name: string): string {
  return withoutDashes(name.toLowerCase().replace(/[^-a-z0-9]+/g, '-')) || 'x'
}
