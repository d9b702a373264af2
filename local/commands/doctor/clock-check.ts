import { clockProblem, followsSource, keptState } from '../../../lib/clock/kept.ts'
import { type ClockState, clockName, clockStateName } from '../../../lib/clock/state.ts'
import type { ConfigMap } from '../../../lib/crd/objects.ts'
import type { Check, Finding } from '../../../lib/doctor/check.ts'
import type { KubernetesClient } from '../../../lib/kubernetes/client/http.ts'
import { openCluster } from '../../../lib/kubernetes/open-cluster.ts'
import { reachCluster } from './check.ts'

/** Whether the organiser's ConfigMap is followed, and what it says. */
export function clockCheck(client: KubernetesClient, namespace: string): Check {
  const cluster = openCluster(client)
  const configMap = { apiVersion: 'v1', kind: 'ConfigMap', namespace }
  return {
    name: 'organiser clock',
    needs: 'cluster',
    remedy: reachCluster,
    async look(signal) {
      const source = await cluster.get<ConfigMap>({ ...configMap, name: clockName }, signal)
      const kept = await cluster.get<ConfigMap>({ ...configMap, name: clockStateName }, signal)
      return clockFindingOf({ source, kept, namespace })
    },
  }
}

function clockFindingOf({
  source,
  kept,
  namespace,
}: {
  source: ConfigMap | undefined
  kept: ConfigMap | undefined
  namespace: string
}): Finding {
  const name = `ConfigMap ${namespace}/${clockName}`
  if (kept === undefined)
    return source
      ? { note: `${name} is not taken up; the operator does that while it runs` }
      : { fine: 'nothing is paused, locked down or credited' }
  const problem = clockProblem(kept)
  if (problem !== undefined)
    return { problem: `${name} is not followed: ${problem}`, remedy: `correct it, or write it anew` }
  const state = keptState(kept)
  if (state === undefined)
    return {
      problem: `ConfigMap ${namespace}/${clockStateName} cannot be read`,
      remedy: `write data.credits of ${name} anew, all of them`,
    }
  if (!followsSource(kept, source))
    return { note: `${name} has changed and is not taken up; the operator does that while it runs` }
  return { fine: described(state) }
}

function described({ paused, lockdown, credits }: ClockState): string {
  const words = [
    paused ? 'paused' : 'not paused',
    lockdown ? 'locked down' : 'not locked down',
    `${credits.length} ${credits.length === 1 ? 'credit' : 'credits'}`,
  ]
  return words.join(', ')
}
