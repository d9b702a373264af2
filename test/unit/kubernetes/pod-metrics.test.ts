import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { labels } from '../../../lib/crd/group.ts'
import type { KubernetesClient } from '../../../lib/kubernetes/client/http.ts'
import { openPodMetrics } from '../../../lib/kubernetes/pod-metrics.ts'

const signal = new AbortController().signal

/** A server that sends an answer in pieces that end after these bytes, and the path that it was asked for. */
function served(answer: string, { status = 200, cuts = [] }: { status?: number; cuts?: number[] } = {}) {
  const asked: string[] = []
  const bytes = new TextEncoder().encode(answer)
  async function* body() {
    let from = 0
    for (const cut of [...cuts.map(each => each % (bytes.length + 1)), bytes.length].toSorted(
      (a, b) => a - b,
    )) {
      if (cut > from) yield bytes.subarray(from, cut)
      from = Math.max(from, cut)
    }
  }
  const stream: KubernetesClient['stream'] = async (path, { query }) => {
    asked.push(`${path} ${query?.labelSelector}`)
    return { status, headers: {}, body: body() }
  }
  return { asked, metrics: openPodMetrics({ stream } as Partial<KubernetesClient> as KubernetesClient) }
}

const pod = (uid: string | undefined, ...cpu: string[]) => ({
  metadata: { name: 'é'.repeat(3), labels: uid === undefined ? {} : { [labels.instanceUid]: uid } },
  containers: cpu.map(each => ({ name: 'c', usage: { cpu: each, memory: '1Mi' } })),
})
const list = (...items: unknown[]) =>
  JSON.stringify({ kind: 'PodMetricsList', apiVersion: 'metrics.k8s.io/v1beta1', metadata: {}, items })

describe('the processor time of pods', () => {
  test('is the sum over the containers and pods of an instance, in thousandths of a core', async () => {
    const answer = list(
      pod('a', '1500000n', '2m'),
      pod('a', '500u'),
      pod('b', '0'),
      pod('c', '1.5'),
      pod(undefined, '7m'),
    )
    const { metrics, asked } = served(answer)
    expect([...(await metrics.millicores('ctf', signal))]).toEqual([
      ['a', 4],
      ['b', 0],
      ['c', 1_500],
    ])
    expect(asked).toEqual([
      '/apis/metrics.k8s.io/v1beta1/namespaces/ctf/pods app.kubernetes.io/managed-by=challenge-operator',
    ])
  })

  test('of the whole cluster is one list', async () => {
    const { metrics, asked } = served(list())
    expect(await metrics.millicores(undefined, signal)).toEqual(new Map())
    expect(asked[0]).toMatch(/^\/apis\/metrics.k8s.io\/v1beta1\/pods /)
  })

  test('is the same however the answer is cut', async () => {
    const answer = list(pod('a', '3m'), pod('b', '250000n'), { strange: [1, { deep: 'é' }] }, null)
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(2_000), { maxLength: 20 }), async cuts => {
        const { metrics } = served(answer, { cuts })
        expect([...(await metrics.millicores('ctf', signal))]).toEqual([
          ['a', 3],
          ['b', 0.25],
        ])
      }),
    )
  })

  test.each([
    ['a refusal', '{"kind":"Status","code":404}', 404],
    ['an answer that breaks off', list(pod('a', '3m')).slice(0, -5), 200],
    ['something else than JSON', '<html>', 200],
    ['nothing', '', 200],
  ])('is not known after %s', async (_, answer, status) => {
    const { metrics } = served(answer, { status })
    await expect(metrics.millicores('ctf', signal)).rejects.toMatchObject({ reason: 'ClusterUnavailable' })
  })
})
