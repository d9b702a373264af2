import { describe, expect, it } from 'vitest'
import { OperatorError } from '../../../../lib/errors.ts'
import type { Cluster } from '../../../../lib/kubernetes/cluster.ts'
import { claimHost } from '../../../../lib/reconcile/act/claim-host.ts'
import type { ClaimedHost, HostClaim } from '../../../../lib/store/host-claims.ts'
import type { Store } from '../../../../lib/store/store.ts'
import { storedInstance } from '../../../support/objects.ts'
import { keptLog } from '../../functions/lambda-events.ts'

const instance = storedInstance()
const other = { namespace: 'ctf', name: 'web-9', uid: 'u9' }
const host = 'web.ctf.example.com'
const never = new AbortController().signal

function answering(answer: () => Promise<ClaimedHost>, uid = async () => 'cluster-1') {
  const claims: HostClaim[] = []
  const store = {
    claimHost: async (claim: HostClaim) => {
      claims.push(claim)
      return answer()
    },
  } as Partial<Store> as Store
  return { cluster: { uid } as Partial<Cluster> as Cluster, store, log: keptLog(), claims }
}

const ask = (deps: ReturnType<typeof answering>, signal = never) =>
  claimHost(deps, instance, host, { waits: 0 }, signal)

const away = async () => {
  throw new OperatorError('DatabaseUnavailable', 'the database does not answer')
}

describe('claimHost', () => {
  it('claims the host for the instance, in its cluster, with the time of its creation', async () => {
    const deps = answering(async () => ({ held: true, wakes: [other] }))
    expect(await ask(deps)).toEqual({ kind: 'held', wakes: [other] })
    const { namespace, name, uid, creationTimestamp: createdAt } = instance.metadata
    expect(deps.claims).toEqual([{ namespace, name, uid, cluster: 'cluster-1', host, createdAt }])
  })

  it('names the instance that holds the host', async () => {
    const deps = answering(async () => ({ held: false, holder: other, wakes: [] }))
    expect(await ask(deps)).toEqual({ kind: 'taken', holder: other, wakes: [] })
  })

  it('does not know while the database is away, or the uid of the cluster cannot be read', async () => {
    const withoutDatabase = answering(away)
    expect(await ask(withoutDatabase)).toEqual({ kind: 'unknown', wakes: [] })
    expect(withoutDatabase.log.lines).toMatchObject([{ level: 'warn', message: 'host not claimed' }])
    const withoutCluster = answering(async () => ({ held: true, wakes: [] }), away)
    expect(await ask(withoutCluster)).toEqual({ kind: 'unknown', wakes: [] })
    expect(withoutCluster.claims).toEqual([])
  })

  it('ends with the pass', async () => {
    await expect(ask(answering(away), AbortSignal.abort(new Error('over')))).rejects.toThrow('over')
  })
})
