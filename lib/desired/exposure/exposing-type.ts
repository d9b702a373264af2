import type { ChallengeTemplateSpec, ExposureType } from '../../crd/challenge-template.ts'

/** A way in which players from outside of the cluster reach an instance. */
export type Exposing = Exclude<ExposureType, 'None'>

/** @returns undefined for a template that is not exposed */
export function exposingType({ exposure }: Pick<ChallengeTemplateSpec, 'exposure'>): Exposing | undefined {
  const type = exposure?.type ?? 'None'
  return type === 'None' ? undefined : type
}

/** Whether players reach the address of a node or a balancer, and not a controller of the cluster. */
export function isDirect(type: Exposing): type is 'NodePort' | 'LoadBalancer' {
  return type === 'NodePort' || type === 'LoadBalancer'
}

/** Whether players reach an instance by a host, which is made with a key of the operator. */
export function hasHost(spec: Pick<ChallengeTemplateSpec, 'exposure'>): boolean {
  const type = exposingType(spec)
  return type !== undefined && !isDirect(type)
}

/** Whether players come through a Gateway. */
export function isRoute(type: Exposing): type is 'HTTPRoute' | 'TLSRoute' {
  return type === 'HTTPRoute' || type === 'TLSRoute'
}
