import { describe, expect, it } from 'vitest'
import { clusterPart } from '../../../../functions/examine/cluster.ts'
import { examinationSource } from '../../../../lib/doctor/examination.ts'
import type { KubernetesClient } from '../../../../lib/kubernetes/client/http.ts'

/** An API server that tells its version and refuses everything else. */
function serverOf(gitVersion: string): KubernetesClient {
  return {
    request: async (_method, path) => ({
      status: path === '/version' ? 200 : 403,
      body: path === '/version' ? { gitVersion } : {},
      headers: {},
    }),
    stream: () => Promise.reject(new Error('nothing is watched')),
    close: async () => {},
  }
}

async function clusterLine(gitVersion: string) {
  const part = clusterPart({ client: serverOf(gitVersion), namespace: 'ctf', writer: { stack: 'ours' } })
  const lines = await part.look({ source: examinationSource }, AbortSignal.timeout(5_000))
  return Array.isArray(lines) ? lines[0]?.finding : lines
}

describe('a function that examines the cluster', () => {
  it('says of a role that the cluster does not know that its entry may be older than it', async () => {
    const client: KubernetesClient = {
      ...serverOf(''),
      request: async () => ({ status: 401, body: {}, headers: {} }),
    }
    const part = clusterPart({ client, namespace: 'ctf', writer: { stack: 'ours' } })
    const lines = await part.look({ source: examinationSource }, AbortSignal.timeout(5_000))
    expect(lines).toEqual([
      {
        part: 'cluster',
        finding: {
          problem: expect.stringContaining('401'),
          remedy: expect.stringContaining('made before its role'),
        },
      },
    ])
  })

  it('says that its version is supported', async () => {
    expect(await clusterLine('v1.34.1-eks-113cf36')).toEqual({
      fine: 'Kubernetes v1.34.1-eks-113cf36 accepts its token; this version is supported',
    })
  })

  it('leaves an unsupported version to a person', async () => {
    expect(await clusterLine('v1.31.2')).toEqual({
      note: expect.stringContaining('accepts its token, but Kubernetes 1.31 is older than what is supported'),
    })
  })
})
