import type { OperatorConfig } from '../config/operator.ts'
import type { ChallengeInstance, Endpoint } from '../crd/challenge-instance.ts'
import type { ChallengeTemplate, ChallengeTemplateSpec } from '../crd/challenge-template.ts'
import type { KubernetesObject } from '../crd/objects.ts'
import { endpoints } from './address.ts'
import { shortHash } from './canonical.ts'
import { flagFingerprint } from './flag/fingerprint.ts'
import { flagSource, platformFlagHash } from './flag/flag.ts'
import { identity } from './identity.ts'
import { deployment } from './objects/deployment.ts'
import { networkPolicy } from './objects/network-policy.ts'
import { secret } from './objects/secret.ts'
import { service } from './objects/service.ts'
import { declaredPorts } from './ports.ts'
import { isProblem, type Problem } from './problem.ts'
import { cpuMillicores, memoryMebibytes } from './quantity.ts'
import { nameProblem } from './validation/name-problems.ts'
import { templateProblem } from './validation/template-problems.ts'

export interface DesiredInput {
  instance: ChallengeInstance
  template: ChallengeTemplate
  config: OperatorConfig
  /** As `flagValue` gives it; undefined where the template wants none. */
  flag: string | undefined
  /** As `checkEnvironment` gives it. */
  env: Readonly<Record<string, string>>
  /** Where the workload runs. */
  placementNamespace: string
}

export interface DesiredChild {
  object: KubernetesObject
  /** Of the whole object; of a flag only the fingerprint goes into it. */
  hash: string
}

export interface Desired {
  namespace: string
  /** In the order they are needed: what a pod must find stands before the Deployment. */
  children: DesiredChild[]
  /** Of the first port. */
  url: string
  endpoints: Endpoint[]
  /** Limits granted, over all containers. */
  cpuMillicores: number
  memMb: number
  /** What the platform checks a team's flag with; undefined without flag or pepper. */
  flagHmac: string | undefined
  /** Of the template's spec; a static flag in it counts by its fingerprint. */
  templateHash: string
}

/** Everything an instance is to be in the cluster: same input, same bytes. Refusals come before anything is built. */
export function desiredState(input: DesiredInput): Desired | Problem {
  const { instance, template, config, flag, placementNamespace } = input
  const { spec } = template
  const source = flagSource(template)
  const problem = nameProblem(instance, spec) ?? templateProblem(template, config)
  if (problem) return problem
  if (isProblem(source)) return source

  const own = identity(instance, placementNamespace)
  const ports = declaredPorts(spec)
  const fingerprint = flag === undefined ? undefined : flagFingerprint(flag, own.uid, config)
  const given =
    source.kind === 'none' || fingerprint === undefined ? undefined : { envName: source.envName, fingerprint }
  const workload = {
    identity: own,
    owner: instance.spec.owner,
    spec,
    env: input.env,
    flag: given,
    replicas: instance.spec.suspend ? 0 : 1,
  } as const
  const addresses = endpoints(own, ports)

  return {
    namespace: placementNamespace,
    children: [
      ...(flag === undefined || given === undefined
        ? []
        : [{ object: secret(own, flag), hash: shortHash(secret(own, given.fingerprint)) }]),
      hashed(networkPolicy(own, spec, config)),
      hashed(service(own, ports)),
      hashed(deployment(workload)),
    ],
    url: addresses[0]?.url ?? '',
    endpoints: addresses,
    ...granted(spec),
    flagHmac: platformFlagHash(flag, config.flagHmacPepper),
    templateHash: templateHash(spec, fingerprint),
  }
}

function hashed(object: KubernetesObject): DesiredChild {
  return { object, hash: shortHash(object) }
}

/** Quantities are well-formed here: `templateProblem` came first. */
function granted(spec: ChallengeTemplateSpec): { cpuMillicores: number; memMb: number } {
  const containers = [spec, ...(spec.containers ?? [])]
  const sum = (values: (number | string)[]) => values.reduce<number>((total, each) => total + Number(each), 0)
  return {
    cpuMillicores: sum(containers.map(each => cpuMillicores(each.resources.cpu))),
    memMb: sum(containers.map(each => memoryMebibytes(each.resources.memory))),
  }
}

/** A status may be read by anybody, a static flag's `format` is the flag. */
function templateHash(spec: ChallengeTemplateSpec, fingerprint: string | undefined): string {
  const { flagStrategy } = spec
  if (flagStrategy?.type !== 'static' || flagStrategy.format === undefined) return shortHash(spec)
  return shortHash({ ...spec, flagStrategy: { ...flagStrategy, format: fingerprint ?? '' } })
}
