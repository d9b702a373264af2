import type { ChallengeInstance, ChallengeInstanceSpec } from '../../../lib/crd/challenge-instance.ts'
import type { ChallengeTemplateSpec } from '../../../lib/crd/challenge-template.ts'
import { apiVersion } from '../../../lib/crd/group.ts'
import type { Service, Stored } from '../../../lib/crd/objects.ts'
import type { Cluster } from '../../../lib/kubernetes/cluster.ts'
import { waitUntil } from '../../../local/process/wait.ts'
import { instanceOf, templateOf } from '../../support/objects.ts'
import { type RunningPod, untilRunning } from './probe-pod.ts'

/** Time in which an instance becomes Ready, with the download of its image, or goes. */
const lifeMs = 180_000

/** Names one instance. */
export interface InstanceName {
  namespace: string
  name: string
}

/** A running challenge of one team. */
export interface Challenge extends InstanceName {
  instance: Stored<ChallengeInstance>
  pod: RunningPod
  /** Addresses of its Service, of each family that it has. */
  serviceAddresses: string[]
}

/** The template of an instance and the team that it belongs to. */
export interface Owner {
  template: string
  team: number
  /** Default: 1. */
  event?: number
}

export interface Challenges {
  /** Makes a template, or changes it. */
  applyTemplate(namespace: string, name: string, spec: Partial<ChallengeTemplateSpec>): Promise<void>
  create(at: InstanceName, owner: Owner, spec?: Partial<ChallengeInstanceSpec>): Promise<void>
  /** Makes an instance and waits until it is Ready. */
  start(at: InstanceName, owner: Owner): Promise<Challenge>
  /** Waits until the instance is as wanted. @throws Error with its last status */
  until(
    at: InstanceName,
    isSo: (instance: Stored<ChallengeInstance>) => boolean,
  ): Promise<Stored<ChallengeInstance>>
  /** Asks for the deletion of the instance. */
  delete(at: InstanceName): Promise<void>
  untilGone(at: InstanceName): Promise<void>
  /** Deletes all instances of these namespaces and waits until they are gone. */
  endAll(namespaces: readonly string[]): Promise<void>
}

/** Handles templates and instances as an organiser does. */
export function openChallenges(cluster: Cluster, signal: AbortSignal): Challenges {
  const reference = (at: InstanceName) => ({ apiVersion, kind: 'ChallengeInstance', ...at })
  const read = (at: InstanceName) => cluster.get<ChallengeInstance>(reference(at), signal)

  const until: Challenges['until'] = async (at, isSo) => {
    let last: Stored<ChallengeInstance> | undefined
    const holds = async () => {
      last = await read(at)
      return last !== undefined && isSo(last)
    }
    await waitUntil(`the wanted state of ${at.name}`, lifeMs, holds, signal).catch(cause => {
      throw new Error(`${cause.message}; it is ${JSON.stringify(last?.status, undefined, 1)}`, { cause })
    })
    return last as Stored<ChallengeInstance>
  }

  const untilGone = (at: InstanceName) =>
    waitUntil(`the end of ${at.name}`, lifeMs, async () => (await read(at)) === undefined, signal)

  const remove = async (at: InstanceName) => void (await cluster.delete(reference(at), {}, signal))

  const create: Challenges['create'] = async ({ namespace, name }, { template, team, event = 1 }, spec) => {
    const owner = { teamId: team, eventId: event }
    const created = await cluster.create(
      instanceOf(namespace, name, template, team, { owner, ...spec }),
      signal,
    )
    if (created === 'exists') throw new Error(`${name} exists already`)
  }

  return {
    async applyTemplate(namespace, name, spec) {
      await cluster.apply(templateOf(namespace, name, spec), signal)
    },
    create,
    async start(at, owner) {
      await create(at, owner)
      // The Deployment may be seen as available a moment before its pod is seen.
      const isReady = ({ status }: ChallengeInstance) =>
        status?.phase === 'Ready' && status.podName !== undefined
      const instance = await until(at, isReady)
      return { ...at, instance, ...(await runningParts(cluster, instance, signal)) }
    },
    until,
    delete: remove,
    untilGone,
    async endAll(namespaces) {
      for (const namespace of namespaces)
        for await (const page of cluster.list(reference({ namespace, name: '' }), { namespace }, signal))
          await Promise.all(
            page.map(async ({ metadata }) => {
              await remove(metadata)
              await untilGone(metadata)
            }),
          )
    },
  }
}

/** Reads the pod and the Service of a Ready instance. */
export async function runningParts(
  cluster: Cluster,
  { metadata: { name }, status }: Stored<ChallengeInstance>,
  signal: AbortSignal,
): Promise<Pick<Challenge, 'pod' | 'serviceAddresses'>> {
  const { namespace = '', podName = '' } = status ?? {}
  const at = { namespace, name }
  const service = await cluster.get<Service & { spec: { clusterIPs?: string[] } }>(
    { apiVersion: 'v1', kind: 'Service', ...at },
    signal,
  )
  return {
    // The first container of a challenge has the name of its instance.
    pod: await untilRunning(cluster, { namespace, name: podName }, name, signal),
    serviceAddresses: service?.spec.clusterIPs ?? [],
  }
}
