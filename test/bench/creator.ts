import { apiVersion } from '../../lib/crd/group.ts'
import { collectionPath } from '../../lib/kubernetes/client/paths.ts'
import type { BareClient } from './bare-client.ts'
import { instance, operated } from './sample.ts'

/** Creates an instance for the operator. Each has another team. */
export type Create = (name: string, signal: AbortSignal) => Promise<unknown>

export function creator(bare: BareClient): Create {
  const path = collectionPath({ apiVersion, kind: 'ChallengeInstance' }, operated)
  let teamId = 0
  return (name, signal) => {
    teamId += 1
    return bare.call('POST', path, JSON.stringify(instance(operated, name, teamId)), signal)
  }
}
