import type { Scheduling } from '../../config/scheduling.ts'
import type { ChallengeInstance } from '../../crd/challenge-instance.ts'
import type { ChallengeTemplateSpec } from '../../crd/challenge-template.ts'
import { group, labels as labelNames } from '../../crd/group.ts'
import type { ObjectMeta, PodSpec } from '../../crd/objects.ts'
import { copiedSecretName, type Identity } from '../identity.ts'
import { firstPorts, withProtocol } from '../ports.ts'
import { container } from './container.ts'
import { env } from './env.ts'
import { flagKey } from './secret.ts'

/** Restarts the pod when the flag changes. A change of the Secret alone would not. */
export const flagFingerprintAnnotation = `${group}/flag-fingerprint`

/** Makes a new pod when its owner asked for one, once for each value of `spec.restartedAt`. */
export const restartedAtAnnotation = `${group}/restarted-at`

/** Challenges have nothing to save at their end, and teardown waits for it. */
const gracePeriodSeconds = 5

export interface PodInput {
  scheduling: Scheduling

  identity: Identity
  owner: ChallengeInstance['spec']['owner']
  spec: ChallengeTemplateSpec
  /** The variables of the instance, checked. */
  env: Readonly<Record<string, string>>
  flag: { envName: string; fingerprint: string } | undefined
  /** When the owner asked for a new pod; undefined: never. */
  restartedAt: string | undefined
  /** Name of the shared policy that selects the pod; undefined: the instance has a policy of its own. */
  policy: string | undefined
}

/** Builds the pod template. Only the first container gets the flag: it is the challenge, and the others serve it. */
export function pod(input: PodInput): { metadata: ObjectMeta; spec: PodSpec } {
  const { identity, owner, spec, env: instance, flag, policy, scheduling } = input
  const { name } = identity
  const first = container({
    name,
    from: spec,
    ports: firstPorts(spec),
    env: env({
      ...(flag && { flag: { envName: flag.envName, secretName: name, key: flagKey } }),
      owner,
      instance,
      template: spec.env ?? [],
    }),
  })
  const further = (spec.containers ?? []).map(from =>
    container({
      name: from.name,
      from,
      ports: (from.ports ?? []).map(withProtocol),
      env: env({ owner, instance, template: from.env ?? [] }),
    }),
  )
  return {
    metadata: { labels: podLabels({ identity, policy }), ...podAnnotations(input) },
    spec: {
      containers: [first, ...further],
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      terminationGracePeriodSeconds: gracePeriodSeconds,
      securityContext: {
        seccompProfile: { type: 'RuntimeDefault' },
        ...(spec.podSecurity === 'restricted' && { runAsNonRoot: true }),
      },
      ...(spec.runtimeClassName && { runtimeClassName: spec.runtimeClassName }),
      ...(spec.imagePullSecrets?.length && {
        imagePullSecrets: spec.imagePullSecrets.map(secret => ({
          name: copiedSecretName({ namespace: identity.instanceNamespace, name: secret }, identity.namespace),
        })),
      }),
      ...placed(scheduling),
    },
  }
}

/** The labels of the pod. The Deployment has them too, so that its metadata shows which policy its pods need. */
export function podLabels({
  identity,
  policy,
}: Pick<PodInput, 'identity' | 'policy'>): Record<string, string> {
  return { ...identity.labels, ...(policy !== undefined && { [labelNames.policy]: policy }) }
}

/** A pod without any has no empty set of them, as in earlier releases: a difference would restart it. */
function podAnnotations({ flag, restartedAt }: PodInput): Pick<ObjectMeta, 'annotations'> {
  const annotations = {
    ...(flag && { [flagFingerprintAnnotation]: flag.fingerprint }),
    ...(restartedAt !== undefined && { [restartedAtAnnotation]: restartedAt }),
  }
  return Object.keys(annotations).length === 0 ? {} : { annotations }
}

function placed({ priorityClassName, nodeSelector, tolerations }: Scheduling) {
  return {
    ...(priorityClassName && { priorityClassName }),
    ...(nodeSelector && { nodeSelector: { ...nodeSelector } }),
    ...(tolerations.length > 0 && { tolerations: tolerations.map(each => ({ ...each })) }),
  }
}
