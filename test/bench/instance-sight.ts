import type { ChallengeInstance } from '../../lib/crd/challenge-instance.ts'
import { apiVersion } from '../../lib/crd/group.ts'
import type { Deployment } from '../../lib/crd/objects.ts'
import type { KubernetesClient } from '../../lib/kubernetes/client/http.ts'
import { watchUntilListed } from './watch-until-listed.ts'

/** An instance as it is now; undefined: it does not exist. */
export type SeenInstance = ChallengeInstance | undefined

/** The instances of a namespace and their Deployments, as watches show them. */
export interface InstanceSight {
  /** Resolves with the time of `performance.now()` at which the instance was seen so. Rejects when the watch ends. */
  until(name: string, isSo: (seen: SeenInstance) => boolean): Promise<number>
  names(): string[]
  /** The most Deployments with a pod that the watch has shown at once, since this was last asked. */
  mostRunning(): number
}

/** Watches until the signal aborts. Resolves once both lists are complete. */
export async function watchInstances(
  client: KubernetesClient,
  namespace: string,
  signal: AbortSignal,
): Promise<InstanceSight> {
  const seen = new Map<string, ChallengeInstance>()
  const waiting = new Map<string, Set<() => void>>()
  const running = new Set<string>()
  let most = 0
  const ended = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
  ended.catch(() => {})

  const tell = (name: string) => waiting.get(name)?.forEach(check => void check())
  const onInstance = (instance: ChallengeInstance) => {
    const { name = '' } = instance.metadata
    seen.set(name, instance)
    tell(name)
  }
  const onDeployment = ({ metadata, spec }: Deployment) => {
    const { name = '' } = metadata ?? {}
    if (spec?.replicas === 0) running.delete(name)
    else running.add(name)
    most = Math.max(most, running.size)
  }
  const onGone = (name: string) => {
    seen.delete(name)
    tell(name)
  }
  const started = <T extends ChallengeInstance | Deployment>(
    kind: { apiVersion: string; kind: string },
    onObject: (object: T) => void,
    onGone: (name: string) => void,
  ) => watchUntilListed(client, { ...kind, namespace }, { onObject, onGone }, signal)
  await Promise.all([
    started({ apiVersion, kind: 'ChallengeInstance' }, onInstance, onGone),
    started({ apiVersion: 'apps/v1', kind: 'Deployment' }, onDeployment, name => running.delete(name)),
  ])
  return {
    until(name, isSo) {
      if (isSo(seen.get(name))) return Promise.resolve(performance.now())
      const checks = waiting.get(name) ?? new Set()
      waiting.set(name, checks)
      const seenSo = new Promise<number>(resolve => {
        const check = () => {
          if (!isSo(seen.get(name))) return
          checks.delete(check)
          resolve(performance.now())
        }
        checks.add(check)
      })
      return Promise.race([seenSo, ended])
    },
    names: () => [...seen.keys()],
    mostRunning() {
      const before = most
      most = running.size
      return before
    },
  }
}
