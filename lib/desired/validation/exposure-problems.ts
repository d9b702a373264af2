import { hostTemplateProblem } from '../../config/host-template.ts'
import type { ChallengeTemplateSpec } from '../../crd/challenge-template.ts'
import { annotationProblems } from '../exposure/annotations.ts'
import { type Exposing, exposingType, isDirect } from '../exposure/exposing-type.ts'
import { declaredPorts, exposedPort } from '../ports.ts'

/** The problems of a template's exposure, each with what to write instead. */
export function exposureProblems(spec: ChallengeTemplateSpec): string[] {
  const type = exposingType(spec)
  const { host, annotations = {} } = spec.exposure ?? {}
  return [
    ...(type === undefined ? [] : portProblems(type, spec)),
    ...(host === undefined ? [] : hostProblems(type, host)),
    ...annotationProblems(type, annotations),
  ]
}

function portProblems(type: Exposing, spec: ChallengeTemplateSpec): string[] {
  const port = exposedPort(spec)
  const names = declaredPorts(spec).map(({ name }) => name)
  if (port === undefined)
    return [
      `exposure.port ${JSON.stringify(spec.exposure?.port)} is no port of the challenge; write one of ${names.join(', ')}`,
    ]
  return isDirect(type) || port.protocol === 'TCP'
    ? []
    : [
        `exposure.type ${type} carries no ${port.protocol} (port ${port.name}); write NodePort or LoadBalancer, or expose a TCP port`,
      ]
}

function hostProblems(type: Exposing | undefined, host: string): string[] {
  if (type !== undefined && isDirect(type))
    return [`exposure.host has no effect with exposure.type ${type}; remove it`]
  const problem = hostTemplateProblem(host)
  return problem === undefined ? [] : [`exposure.host ${problem}`]
}
