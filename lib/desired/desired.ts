import type { OperatorConfig } from '../config/operator.ts'
import type { ChallengeInstance, Endpoint } from '../crd/challenge-instance.ts'
import type { ChallengeTemplate, ChallengeTemplateSpec } from '../crd/challenge-template.ts'
import type { KubernetesObject, Named, NetworkPolicy, Stored } from '../crd/objects.ts'
import { endpoints } from './address.ts'
import { shortHash } from './canonical.ts'
import { type DesiredExposure, desiredExposure, type ExposureGround } from './exposure/exposure.ts'
import { flagFingerprint } from './flag/fingerprint.ts'
import { flagSource, platformFlagHash } from './flag/flag.ts'
import { identity } from './identity.ts'
import { deployment } from './objects/deployment.ts'
import { ownPolicy, sharedPolicy } from './objects/network-policy.ts'
import { secret } from './objects/secret.ts'
import { service } from './objects/service.ts'
import { policyRules } from './policy-rules.ts'
import { declaredPorts } from './ports.ts'
import { isProblem, type Problem } from './problem.ts'
import { cpuMillicores, memoryMebibytes } from './quantity.ts'
import { templateHash } from './template-hash.ts'
import { nameProblem } from './validation/name-problems.ts'
import { templateProblem } from './validation/template-problems.ts'

export interface DesiredInput {
  instance: Stored<ChallengeInstance>
  template: ChallengeTemplate
  config: OperatorConfig
  /** The result of `flagValue`; undefined if the template wants no flag. */
  flag: string | undefined
  /** The fingerprint that the pods have of this flag, made with an earlier FLAG_SECRET; undefined: the present one makes it. */
  fingerprint?: string | undefined
  /** The result of `checkEnvironment`. */
  env: Readonly<Record<string, string>>
  /** The namespace that the workload runs in. */
  placementNamespace: string
  exposure: ExposureGround
  /** The instance has no pod. */
  hibernated?: boolean
  /** See `PolicySettings`. */
  lockdown?: boolean
  /** The value of `spec.restartedAt` that the pod was made for, where the spec has none any more. */
  formerRestartedAt?: string | undefined
  /** Builds the instance with the policy of its own that an earlier release gave it. Without it with a shared one. */
  ownPolicy?: boolean
}

export interface DesiredChild {
  object: Named<KubernetesObject>
  /** Hash of the whole object. A Secret's hash covers the fingerprint of the flag in place of the flag. */
  hash: string
  /** Players from outside of the cluster reach the instance by it. It is applied last, and keeps no other child waiting. */
  exposes?: true
}

export interface Desired {
  namespace: string
  /** The policy that the pods need before they start, and that is no child. Undefined: a child is the policy. */
  sharedPolicy: Named<NetworkPolicy> | undefined
  /** The children in the order of their use: a pod refers to those that stand before the Deployment. */
  children: DesiredChild[]
  /** The URL of the first port inside of the cluster. */
  url: string
  /** The addresses inside of the cluster. */
  endpoints: Endpoint[]
  /** Undefined: the instance is not reached from outside of the cluster. */
  exposure: DesiredExposure | undefined
  /** Sum of the CPU limits of all containers. */
  cpuMillicores: number
  /** Sum of the memory limits of all containers, in MiB. */
  memMb: number
  /** The hash that the platform compares a team's flag with; undefined without a flag or a pepper. */
  flagHmac: string | undefined
  /** See `templateHash`. */
  templateHash: string
}

/**
 * Computes everything that an instance is to have in the cluster. The same input gives the same bytes.
 * @returns the desired state, or the first problem that keeps it from being built
 */
export function desiredState(input: DesiredInput): Desired | Problem {
  const { instance, template, config, flag, placementNamespace } = input
  const { spec } = template
  const source = flagSource(template)
  const problem = nameProblem(instance, spec) ?? templateProblem(template, config)
  if (problem) return problem
  if (isProblem(source)) return source

  const own = identity(instance, placementNamespace)
  const ports = declaredPorts(spec)
  const fingerprint =
    flag === undefined ? undefined : (input.fingerprint ?? flagFingerprint(flag, own.uid, config))
  const given =
    source.kind === 'none' || fingerprint === undefined ? undefined : { envName: source.envName, fingerprint }
  const workload = {
    identity: own,
    owner: instance.spec.owner,
    spec,
    env: input.env,
    flag: given,
    scheduling: config.scheduling,
    replicas: input.hibernated ? 0 : 1,
    restartedAt: instance.spec.restartedAt ?? input.formerRestartedAt,
  } as const
  const addresses = endpoints(own, ports)
  const exposure = desiredExposure({ instance, spec, identity: own, config, ground: input.exposure })
  const rules = policyRules(spec)
  const settings = { ...config, ...(input.lockdown && { lockdown: true }) }
  const shared = input.ownPolicy ? undefined : sharedPolicy(placementNamespace, rules, settings)

  return {
    namespace: placementNamespace,
    sharedPolicy: shared,
    children: [
      ...(flag === undefined || given === undefined
        ? []
        : [{ object: secret(own, flag), hash: shortHash(secret(own, given.fingerprint)) }]),
      ...(shared === undefined ? [hashed(ownPolicy(own, rules, settings))] : []),
      hashed(service(own, ports)),
      hashed(deployment({ ...workload, policy: shared?.metadata.name })),
      ...(exposure?.object ? [{ ...hashed(exposure.object), exposes: true as const }] : []),
    ],
    url: addresses[0]?.url ?? '',
    endpoints: addresses,
    exposure,
    ...granted(spec),
    flagHmac: platformFlagHash(flag, config.flagHmacPepper),
    templateHash: templateHash(spec),
  }
}

/** Returns a child with its hash. */
export function hashed(object: Named<KubernetesObject>): DesiredChild {
  return { object, hash: shortHash(object) }
}

/** Sums the limits of all containers. The quantities are well-formed, since `templateProblem` found nothing. */
function granted(spec: ChallengeTemplateSpec): { cpuMillicores: number; memMb: number } {
  const containers = [spec, ...(spec.containers ?? [])]
  const sum = (values: (number | string)[]) => values.reduce<number>((total, each) => total + Number(each), 0)
  return {
    cpuMillicores: sum(containers.map(each => cpuMillicores(each.resources.cpu))),
    memMb: sum(containers.map(each => memoryMebibytes(each.resources.memory))),
  }
}
