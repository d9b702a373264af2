import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { waitUntil } from '../../local/process/wait.ts'
import { type Front, type FrontAnswer, startFront } from '../integration/kubernetes/front.ts'
import { startTcpProxy, type TcpProxy } from '../integration/kubernetes/tcp-proxy.ts'
import { untilConsistent } from '../support/consistency.ts'
import { type FaultyOperator, startFaultyOperator } from '../support/faulty-operator.ts'
import { instanceOf, templateOf } from '../support/objects.ts'
import { eventually, referenceTo } from '../support/operator.ts'
import { sharedControlPlane } from '../support/shared-parts.ts'

let operator: FaultyOperator
let front: Front
let proxy: TcpProxy

beforeAll(async () => {
  front = await startFront(sharedControlPlane())
  const connection = front.connection as Extract<Front['connection'], { kind: 'server' }>
  proxy = await startTcpProxy({ host: '127.0.0.1', port: Number(new URL(connection.server).port) })
  const serverOf = (name: string) =>
    name === 'watch-forwarder' ? `http://127.0.0.1:${proxy.port}` : undefined
  operator = await startFaultyOperator({ forwarder: false, serverOf })
  await operator.cluster.create(templateOf(operator.namespace, 'web'), operator.signal)
})
afterAll(async () => {
  await operator?.stop()
  await proxy?.stop()
  await front?.stop()
})

// Each fault has a forwarder of its own, because failures of a watch add up for two minutes, and so do its waits.
let forwarder: { stop(): Promise<void> }
beforeEach(() => {
  // A silent stream counts as dead after two seconds. A deployed one gets a bookmark each minute.
  forwarder = operator.startForwarder({ watchTimes: { silenceMs: 2_000 } })
})
afterEach(async () => {
  front.answer = () => undefined
  await forwarder?.stop()
})

const create = (name: string, team: number) =>
  operator.cluster.create(instanceOf(operator.namespace, name, 'web', team), operator.signal)
const remove = (kind: string, name: string) =>
  operator.cluster.delete(referenceTo(operator, kind, name), {}, operator.signal)

/** Makes instances, then the fault, then three changes that could be missed: one comes, one goes, one loses a child. */
async function missNothing(prefix: string, fault: () => void): Promise<void> {
  const [goes, drifts, comes] = [`${prefix}-goes`, `${prefix}-drifts`, `${prefix}-comes`] as const
  await Promise.all([create(goes, 1), create(drifts, 2)])
  await Promise.all([untilConsistent(operator, goes, 'Ready'), untilConsistent(operator, drifts, 'Ready')])
  const service = await operator.cluster.getMetadata(
    referenceTo(operator, 'Service', drifts),
    operator.signal,
  )
  fault()
  await Promise.all([create(comes, 3), remove('ChallengeInstance', goes), remove('Service', drifts)])
  await eventually(
    operator,
    'Service',
    drifts,
    each => ![undefined, service?.metadata.uid].includes(each?.metadata.uid),
  )
  await Promise.all([
    untilConsistent(operator, comes, 'Ready'),
    untilConsistent(operator, goes, 'gone'),
    untilConsistent(operator, drifts, 'Ready'),
  ])
}

/** Whether a watch continues from a version that it knows. Another one starts with a list. */
const resumes = ({ searchParams }: URL) =>
  ['1', 'true'].includes(searchParams.get('watch') ?? '') && searchParams.get('sendInitialEvents') === null

/** Breaks all connections, and answers each watch once, as it continues, that its version has expired. */
function cutAndExpire(answer: FrontAnswer): { paths: Set<string> } {
  const paths = new Set<string>()
  front.answer = url => {
    // Two of the collections are one object each, of one path.
    const collection = `${url.pathname} ${url.searchParams.get('fieldSelector') ?? ''}`
    if (!resumes(url) || url.pathname.includes('/leases') || paths.has(collection)) return undefined
    paths.add(collection)
    return answer
  }
  proxy.cut()
  return { paths }
}

const expired = {
  kind: 'Status',
  status: 'Failure',
  code: 410,
  reason: 'Expired',
  message: 'too old resource version',
}

describe('the forwarder’s watch', () => {
  test('misses nothing if the connection goes silent', async () => {
    await missNothing('silent', () => proxy.silence())
  })

  test.each([
    { how: 'with a 410', prefix: 'gone', answer: { status: 410, body: expired } },
    {
      how: 'as an ERROR event in a stream',
      prefix: 'error',
      answer: { status: 200, body: undefined, lines: [{ type: 'ERROR', object: expired }], ends: true },
    },
  ])(
    'misses nothing if connections break and the versions have expired, answered $how',
    async ({ prefix, answer }) => {
      let expiredPaths: Set<string> | undefined
      await missNothing(prefix, () => {
        expiredPaths = cutAndExpire(answer).paths
      })
      // Seven collections are watched, and the two ConfigMaps of the organiser's clock.
      expect([...(expiredPaths ?? [])]).toHaveLength(9)
    },
  )

  test('causes no further passes afterwards', async () => {
    let passes = -1
    const quiet = async () => {
      const same = passes === operator.passes.length
      passes = operator.passes.length
      return same
    }
    await waitUntil('two equal counts of passes', 10_000, quiet, operator.signal)
    for (const { name } of operator.passes)
      expect(operator.passes.filter(pass => pass.name === name).length, name).toBeLessThanOrEqual(10)
  })
})
