import { type OperatorConfig, parseOperatorConfig } from '../../../lib/config/operator.ts'
import type { ChallengeInstanceSpec } from '../../../lib/crd/challenge-instance.ts'
import type { ChallengeTemplateSpec } from '../../../lib/crd/challenge-template.ts'
import { type Desired, type DesiredInput, desiredState } from '../../../lib/desired/desired.ts'
import { noGround } from '../../../lib/desired/exposure/exposure.ts'
import { flagSource, flagValue } from '../../../lib/desired/flag/flag.ts'
import { isProblem, type Problem } from '../../../lib/desired/problem.ts'
import { storedInstance, storedTemplate } from '../../support/objects.ts'

export const uid = '6f1c0c7e-2b53-4b57-9d8e-0f4f6f1f2a10'

export const config: OperatorConfig = parseOperatorConfig({
  FLAG_SECRET: 'a secret of the tests, long enough to be one',
  FLAG_HMAC_PEPPER: 'pepper',
})

export function instance(spec: Partial<ChallengeInstanceSpec> = {}, name = 'web-team-7') {
  return storedInstance({
    metadata: { name, uid, creationTimestamp: '2026-11-28T09:00:00Z' },
    spec: { templateRef: 'web-basics', owner: { teamId: 7, eventId: 3 }, ...spec },
  })
}

export function template(spec: Partial<ChallengeTemplateSpec> = {}) {
  return storedTemplate({
    metadata: { name: 'web-basics' },
    spec: {
      image: 'registry.example.com/web-basics:1',
      resources: { cpu: '250m', memory: '128Mi' },
      ...spec,
    },
  })
}

/** The desired state with the flag that the template asks for. @param referenced value of a `secretRef` */
export function desired(input: Partial<DesiredInput> = {}, referenced?: string): Desired | Problem {
  const whole = {
    instance: instance(),
    template: template(),
    config,
    env: {},
    placementNamespace: 'ctf',
    exposure: noGround,
    ...input,
  }
  const source = flagSource(whole.template)
  if (isProblem(source)) return source
  const value = flagValue(source, uid, whole.config, referenced)
  return isProblem(value) ? value : desiredState({ flag: value.flag, ...whole })
}

/** @throws Error with the problemOf's message */
export function built(input: Partial<DesiredInput> = {}, referenced?: string): Desired {
  const result = desired(input, referenced)
  if (isProblem(result)) throw new Error(result.message)
  return result
}

export function problemOf(spec: Partial<ChallengeTemplateSpec>): Problem | undefined {
  const result = desired({ template: template(spec) })
  return isProblem(result) ? result : undefined
}
