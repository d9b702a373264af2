import type { OutgoingChange } from '../aws/queue-ports.ts'
import { eventGraceMs, type PlacementSettings } from '../config/placement.ts'
import type { ChallengeTemplate } from '../crd/challenge-template.ts'
import type { Stored } from '../crd/objects.ts'
import { unusedCertificates } from './certificates.ts'
import { outdatedNamespaceMessage, unusedMessage } from './messages.ts'
import { eventNamespacesToLookAt, withOutdatedQuota } from './namespaces.ts'
import { unusedRevisions } from './revisions.ts'
import type { SweptChild } from './swept-child.ts'
import type { SweptInstance } from './swept-instance.ts'

/** What a resync has listed. */
interface Listed {
  children: readonly SweptChild[]
  templates: readonly Stored<ChallengeTemplate>[]
  instances: ReadonlyMap<string, SweptInstance>
  /** Namespaces that the operator made. */
  made: Parameters<typeof eventNamespacesToLookAt>[0]
  /** The namespaces in which an instance has a child. */
  occupied: ReadonlySet<string>
  /** The certificates that Ingresses name. */
  certificates: ReadonlySet<string>
  placement: PlacementSettings
}

/** Returns the messages about what nothing needs any more, and about namespaces with an outdated quota. */
export function leftOver(
  { children, templates, instances, made, occupied, certificates, placement }: Listed,
  at: number,
): OutgoingChange[] {
  const graceMs = eventGraceMs(placement)
  const revisions = unusedRevisions({ children, templates }, instances.values(), at)
  const copies = unusedCertificates(children, certificates, at)
  const places = eventNamespacesToLookAt(made, occupied, { graceMs, now: at })
  return [
    ...revisions.map(each => unusedMessage('Revision', each, at)),
    ...copies.map(each => unusedMessage('Certificate', each, at)),
    ...places.map(each => unusedMessage('Namespace', each, at)),
    ...withOutdatedQuota(made, placement).map(each => outdatedNamespaceMessage(each, at)),
  ]
}
