import { describe, expect, it } from 'vitest'
import { OperatorError } from '../../../../lib/errors.ts'
import type { Cluster } from '../../../../lib/kubernetes/cluster.ts'
import { carryOut } from '../../../../local/commands/actions/carry-out.ts'
import { sleep } from '../../../../local/commands/actions/simple-actions.ts'
import { storedInstance } from '../../../support/objects.ts'

const instances = Array.from({ length: 40 }, (_, index) =>
  storedInstance({ metadata: { name: `web-${index}`, uid: `uid-${index}` } }),
)

/** A cluster of which only patches are used. @param answer of the patch of an instance; undefined: it succeeds */
function patching(answer: (name: string) => unknown): Cluster {
  const patchJson = async ({ name }: { name: string }) => {
    const thrown = answer(name)
    if (thrown !== undefined) throw thrown
    return instances.find(each => each.metadata.name === name)
  }
  return { patchJson } as unknown as Cluster
}

const run = (cluster: Cluster, signal = new AbortController().signal) =>
  carryOut(cluster, sleep, instances, { onResult() {} }, signal)

describe('an action on many instances', () => {
  it('goes on after one that fails, and keeps the order', async () => {
    const forbidden = new OperatorError('Forbidden', 'You may not.')
    const results = await run(patching(name => (name === 'web-3' ? forbidden : undefined)))
    expect(results.map(({ instance }) => instance)).toEqual(instances)
    expect(results.filter(({ outcome }) => outcome !== 'done')).toMatchObject([
      { instance: { metadata: { name: 'web-3' } }, outcome: 'failed', detail: 'You may not.' },
    ])
  })

  it('leaves the rest when the cluster does not answer', async () => {
    let calls = 0
    const results = await run(
      patching(() => {
        calls += 1
        return new OperatorError('ClusterUnavailable', 'It timed out.')
      }),
    )
    expect(calls).toBeLessThan(instances.length / 2)
    expect(results.every(({ outcome }) => outcome === 'failed')).toBe(true)
    expect(results.at(-1)?.detail).toBe('not tried, because the cluster does not answer')
  })

  it('leaves the rest when it is interrupted', async () => {
    const stopping = new AbortController()
    const results = await run(
      patching(name => {
        if (name !== 'web-9') return undefined
        stopping.abort()
        return new OperatorError('ClusterUnavailable', 'It was cut off.')
      }),
      stopping.signal,
    )
    expect(results.filter(({ outcome }) => outcome === 'done').length).toBeGreaterThan(7)
    expect(results.at(-1)).toMatchObject({
      outcome: 'failed',
      detail: 'not tried, because the command was interrupted',
    })
  })
})
