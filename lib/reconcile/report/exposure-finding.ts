import type { ExposureConfig } from '../../config/exposure.ts'
import type { ChallengeInstanceStatus, Endpoint } from '../../crd/challenge-instance.ts'
import type { Pod } from '../../crd/objects.ts'
import type { Desired } from '../../desired/desired.ts'
import { exposureState, exposureVerdict, withoutGateway } from '../../observed/exposure.ts'
import type { Acted } from '../act/acted.ts'
import type { ExposureFinding } from '../pass/findings.ts'
import { messageForStatus } from '../pass/obstacle.ts'

interface ToExamine {
  desired: Pick<Desired, 'exposure'>
  acted: Pick<Acted, 'exposing'>
  pods: readonly Pod[]
  config: ExposureConfig
}

/** Returns what a pass that came to the children found of the exposure. */
export function exposureFinding({ desired: { exposure }, acted, pods, config }: ToExamine): ExposureFinding {
  if (exposure === undefined) return { kind: 'none' }
  const { object, failure } = acted.exposing ?? {}
  const hostIP = pods.find(({ metadata }) => metadata.deletionTimestamp === undefined)?.status?.hostIP
  const verdict = exposureVerdict({ exposure, object, hostIP, config })
  return {
    kind: 'examined',
    type: exposure.type,
    required: exposure.required,
    host: exposure.claimed ? exposure.host : undefined,
    state: object && (exposure.gatewayIsMissing ? withoutGateway : exposureState(object)),
    verdict: failure
      ? { ...verdict, reason: failure.reason, message: messageForStatus(failure), watched: false }
      : verdict,
  }
}

/**
 * Returns the addresses for the status. The outside ones are there as soon as players reach the instance, and stay while
 * they do not for a time.
 */
export function addressesWith(
  finding: ExposureFinding,
  { url, endpoints }: Pick<Desired, 'url' | 'endpoints'>,
  before: ChallengeInstanceStatus = {},
): { url: string; endpoints: Endpoint[] } {
  if (finding.kind === 'none') return { url, endpoints }
  const { verdict, type } = finding
  const reachedBefore = before.exposure?.type === type && before.url !== url ? before.url : undefined
  const former = before.endpoints?.find(each => each.url === reachedBefore)
  const isServed = verdict.reason === undefined || reachedBefore !== undefined
  const outside = isServed ? (verdict.outside ?? former) : undefined
  return outside?.url === undefined
    ? { url, endpoints }
    : { url: outside.url, endpoints: [...endpoints, outside] }
}
