import { parseOperatorConfig } from '../../lib/config/operator.ts'
import type { ChallengeInstance } from '../../lib/crd/challenge-instance.ts'
import type { ChallengeTemplate, Placement } from '../../lib/crd/challenge-template.ts'
import type { KubernetesObject, Named, Stored } from '../../lib/crd/objects.ts'
import { type Desired, desiredState } from '../../lib/desired/desired.ts'
import { noGround } from '../../lib/desired/exposure/exposure.ts'
import { workloadNamespace } from '../../lib/desired/identity.ts'
import { defaultDeny } from '../../lib/desired/objects/default-deny.ts'
import { limitRange } from '../../lib/desired/objects/limit-range.ts'
import { namespace as builtNamespace } from '../../lib/desired/objects/namespace.ts'
import { isProblem } from '../../lib/desired/problem.ts'
import { instanceOf, templateOf } from '../support/objects.ts'

/** The namespaces of the operator and of the bare client. They are apart, so that neither wakes the other. */
export const operated = 'operated'
export const floor = 'floor'

export const templateName = 'web'

/** The placements of a run, in the order in which the documentation names them. */
export const placements = ['Shared', 'Event', 'Instance'] as const satisfies readonly Placement[]

/** What one run creates. It depends on the placement of the template. */
export interface Sample {
  placement: Placement
  /** The operator's environment. It has a pepper too, so that a flag has its real cost. */
  environment: Record<string, string>
  /** A web challenge as in the samples, with a flag, one port and a probe, and so with three children. */
  template(namespace: string): Named<ChallengeTemplate>
  /** The desired state that the operator computes for an instance. */
  desiredOf(whole: Stored<ChallengeInstance>): Desired
  /** The namespace that the operator makes for the workload. `contents` is what it puts there once. */
  placeOf(whole: Stored<ChallengeInstance>): Place | undefined
}

export interface Place {
  namespace: KubernetesObject
  contents: Named<KubernetesObject>[]
}

export function sampleOf(placement: Placement): Sample {
  const environment = {
    OPERATOR_NAMESPACE: operated,
    // The forwarder of a deployment that allows no other placement watches the operator's namespaces only.
    ...(placement === 'Shared' ? {} : { OPERATOR_PLACEMENTS: 'Shared,Event,Instance' }),
    FLAG_SECRET: 'b'.repeat(64),
    FLAG_HMAC_PEPPER: 'bench',
  }
  const config = parseOperatorConfig(environment)
  const template = (namespace: string) =>
    templateOf(namespace, templateName, {
      ...(placement === 'Shared' ? {} : { placement }),
      resources: { cpu: '100m', memory: '128Mi' },
      ports: [{ name: 'http', port: 8080, appProtocol: 'http' }],
      readinessProbe: { httpGet: { path: '/healthz', port: 'http' }, periodSeconds: 2 },
      networkProfile: 'isolated-egress-dns-only',
      flagStrategy: { type: 'hmac-per-instance', format: 'flag{%s}' },
    })
  const namespaceOf = (whole: Stored<ChallengeInstance>) =>
    workloadNamespace(whole, placement, config.placement)

  return {
    placement,
    environment,
    template,
    desiredOf(whole) {
      const desired = desiredState({
        instance: whole,
        template: template(whole.metadata.namespace),
        config,
        flag: `flag{${'0'.repeat(32)}}`,
        env: {},
        exposure: noGround,
        placementNamespace: namespaceOf(whole),
      })
      if (isProblem(desired)) throw new Error(`the bench's own template is refused: ${desired.message}`)
      return desired
    },
    placeOf(whole) {
      if (placement === 'Shared') return undefined
      const name = namespaceOf(whole)
      const { spec } = template(whole.metadata.namespace)
      const made = builtNamespace({ name, placement, instance: whole, spec })
      return { namespace: made, contents: [defaultDeny(name), limitRange(name)] }
    },
  }
}

/**
 * The two namespaces have events of their own, so that no instance of the bare client has the place of one of the operator.
 * @param teamId a team of the instance's own: two instances of one team and challenge would share a platform row
 */
export function instance(namespace: string, name: string, teamId: number): Named<ChallengeInstance> {
  const eventId = namespace === floor ? 2 : 1
  return instanceOf(namespace, name, templateName, teamId, { owner: { teamId, eventId } })
}
