import { describe, expect, it } from 'vitest'
import { annotations } from '../../../../lib/crd/group.ts'
import type { KubernetesClient } from '../../../../lib/kubernetes/client/http.ts'
import { createOwnership } from '../../../../lib/kubernetes/lease/ownership.ts'
import { recordedLog } from '../../../support/recorded-log.ts'
import { storedLease } from './leases.ts'

const start = Date.parse('2026-05-01T12:00:00Z')

/** An installation named `ours`, on a cluster whose Lease names `owner`; undefined: the role may not read it. */
function installation(owner: string | undefined) {
  let now = start
  let reads = 0
  const spec = { holderIdentity: 'one', acquireTime: '2026-05-01T11:30:00.000000Z' }
  const lease = storedLease('1', spec, { annotations: { [annotations.stack]: owner ?? '' } })
  const { log, lines } = recordedLog()
  const client: Pick<KubernetesClient, 'request'> = {
    async request() {
      reads += 1
      const answer = owner === undefined ? { status: 403, body: {} } : { status: 200, body: lease }
      return { ...answer, headers: {} }
    },
  }
  const ownership = createOwnership({
    client: client as KubernetesClient,
    namespace: 'ctf',
    writer: { stack: 'ours' },
    log,
    now: () => now,
  })
  const signal = new AbortController().signal
  return {
    owns: (sentAt?: string) => ownership.owns(sentAt, signal),
    summary: () => ownership.summary(signal),
    pass(ms: number) {
      now += ms
    },
    lines,
    get reads() {
      return reads
    },
  }
}

const fresh = new Date(start - 2_000).toISOString()
const old = new Date(start - 61_000).toISOString()

describe('the ownership of a cluster', () => {
  it('needs no call for a fresh message of a forwarder that led', async () => {
    const ours = installation('theirs')
    expect(await ours.owns(fresh)).toBe(true)
    expect(ours.reads).toBe(0)
  })

  it('is read once a minute for other messages, and once for those that come together', async () => {
    const ours = installation('ours')
    expect(await Promise.all([ours.owns(), ours.owns(old), ours.owns()])).toEqual([true, true, true])
    ours.pass(59_000)
    await ours.owns()
    expect(ours.reads).toBe(1)
    ours.pass(2_000)
    await ours.owns()
    expect(ours.reads).toBe(2)
  })

  it('is not another installation’s, which says so', async () => {
    const ours = installation('theirs')
    expect(await ours.owns()).toBe(false)
    expect(ours.lines).toMatchObject([
      { level: 'error', fields: { owner: 'theirs', installation: 'ours', remedy: expect.any(String) } },
    ])
  })

  it('is assumed where the role may not read the Lease, with a warning', async () => {
    const ours = installation(undefined)
    expect(await ours.owns()).toBe(true)
    expect(ours.lines).toMatchObject([{ level: 'warn', message: expect.stringContaining('manifests/rbac') }])
  })

  it('comes with who leads, and since when', async () => {
    expect(await installation('theirs').summary()).toEqual({
      holder: 'one',
      since: '2026-05-01T11:30:00.000000Z',
      stack: 'theirs',
    })
  })
})
