import { parseOperatorConfig } from '../../lib/config/operator.ts'
import type { ChallengeInstance } from '../../lib/crd/challenge-instance.ts'
import type { ChallengeTemplate } from '../../lib/crd/challenge-template.ts'
import type { Named, Stored } from '../../lib/crd/objects.ts'
import { type Desired, desiredState } from '../../lib/desired/desired.ts'
import { noGround } from '../../lib/desired/exposure/exposure.ts'
import { isProblem } from '../../lib/desired/problem.ts'
import { instanceOf, templateOf } from '../support/objects.ts'

/** The namespaces of the operator and of the bare client. They are apart, so that neither wakes the other. */
export const operated = 'operated'
export const floor = 'floor'

export const templateName = 'web'

/** The operator's environment. It has a pepper too, so that a flag has its real cost. */
export const environment = {
  OPERATOR_NAMESPACE: operated,
  FLAG_SECRET: 'b'.repeat(64),
  FLAG_HMAC_PEPPER: 'bench',
}

const config = parseOperatorConfig(environment)

/** A web challenge as in the samples, with a flag, one port and a probe, and so with three children. */
export function template(namespace: string): Named<ChallengeTemplate> {
  return templateOf(namespace, templateName, {
    resources: { cpu: '100m', memory: '128Mi' },
    ports: [{ name: 'http', port: 8080, appProtocol: 'http' }],
    readinessProbe: { httpGet: { path: '/healthz', port: 'http' }, periodSeconds: 2 },
    networkProfile: 'isolated-egress-dns-only',
    flagStrategy: { type: 'hmac-per-instance', format: 'flag{%s}' },
  })
}

/** @param teamId a team of the instance's own: two instances of one team and challenge would share a platform row */
export function instance(namespace: string, name: string, teamId: number): Named<ChallengeInstance> {
  return instanceOf(namespace, name, templateName, teamId)
}

/** The desired state that the operator computes for an instance. */
export function desiredOf(whole: Stored<ChallengeInstance>): Desired {
  const namespace = whole.metadata.namespace
  const desired = desiredState({
    instance: whole,
    template: template(namespace),
    config,
    flag: `flag{${'0'.repeat(32)}}`,
    env: {},
    exposure: noGround,
    placementNamespace: namespace,
  })
  if (isProblem(desired)) throw new Error(`the bench's own template is refused: ${desired.message}`)
  return desired
}
