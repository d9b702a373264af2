import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { openClient } from '../../../lib/kubernetes/client/client.ts'
import type { KubernetesClient } from '../../../lib/kubernetes/client/http.ts'
import type { Cluster, WatchTarget } from '../../../lib/kubernetes/cluster.ts'
import type { Connection } from '../../../lib/kubernetes/connection/connection.ts'
import { openCluster } from '../../../lib/kubernetes/open-cluster.ts'
import type { WatchTimes } from '../../../lib/kubernetes/watch/stream.ts'
import { watch } from '../../../lib/kubernetes/watch/watch.ts'
import type { ControlPlane } from '../../../local/control-plane/start.ts'
import { startTestControlPlane } from '../../support/control-plane.ts'
import { type Front, startFront } from './front.ts'
import { createRecorder, type Recorder } from './recorder.ts'
import { startTcpProxy } from './tcp-proxy.ts'

const userAgent = 'challenge-operator/test (watch)'
const secret = { apiVersion: 'v1', kind: 'Secret' }
const signal = AbortSignal.timeout(110_000)

let plane: ControlPlane
let direct: KubernetesClient
let cluster: Cluster
let count = 0
let namespace: string
let clients: KubernetesClient[]
let watching: { stop: AbortController; done: Promise<void> }[]

beforeAll(async () => {
  plane = await startTestControlPlane({ full: false })
  direct = openClient({ connection: { kind: 'kubeconfig', path: plane.kubeconfig }, userAgent })
  cluster = openCluster(direct)
})

afterAll(async () => {
  await direct?.close()
  await plane?.stop()
})

beforeEach(async () => {
  count += 1
  namespace = `watch-${count}`
  clients = []
  watching = []
  await cluster.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } }, signal)
})

afterEach(async () => {
  for (const { stop } of watching) stop.abort()
  await Promise.all(watching.map(({ done }) => done))
  await Promise.all(clients.map(client => client.close()))
})

const flag = Buffer.from('flag{x}').toString('base64')
const reference = (name: string) => ({ ...secret, namespace, name })
const add = (name: string, data: Record<string, string> = {}) =>
  cluster.create(
    { ...secret, metadata: { namespace, name, labels: { watched: 'yes' } }, data } as never,
    signal,
  )
const remove = (name: string) => cluster.delete(reference(name), {}, signal)
const edit = (name: string) =>
  cluster.patchJson(
    reference(name),
    [{ op: 'add', path: '/metadata/annotations', value: { at: String(Math.random()) } }],
    signal,
  )

function start(
  connection: Connection = { kind: 'kubeconfig', path: plane.kubeconfig },
  options: { times?: Partial<WatchTimes>; target?: Partial<WatchTarget>; recorder?: Recorder } = {},
): Recorder {
  const recorder = options.recorder ?? createRecorder()
  const client = openClient({ connection, userAgent })
  const stop = new AbortController()
  const target = { ...secret, namespace, labelSelector: 'watched=yes', ...options.target }
  const times = options.times ?? {}
  const done = watch(client, target, recorder.handlers, { log: recorder.log, times }, stop.signal)
  clients.push(client)
  watching.push({ stop, done })
  return recorder
}

const listedTimes = (recorder: Recorder, times: number) =>
  recorder.until(`list ${times}`, () => recorder.reported.filter(each => each === 'listed').length >= times)
const sees = (recorder: Recorder, names: string[]) =>
  recorder.until(
    `exactly ${names}`,
    () => [...recorder.present.keys()].sort().join() === [...names].sort().join(),
  )
const isList = (url: URL) => url.searchParams.has('sendInitialEvents')

async function viaProxy() {
  const { port } = new URL(plane.server)
  const proxy = await startTcpProxy({ host: '127.0.0.1', port: Number(port) })
  const ca = Buffer.from(plane.caData, 'base64').toString()
  const connection: Connection = {
    kind: 'server',
    server: `https://127.0.0.1:${proxy.port}`,
    ca,
    token: async () => plane.token,
  }
  return { proxy, connection, [Symbol.asyncDispose]: () => proxy.stop() }
}

async function viaFront(answer: Front['answer'] = () => undefined) {
  const front = await startFront(plane)
  front.answer = answer
  return { front, [Symbol.asyncDispose]: () => front.stop() }
}

describe('watch', () => {
  it('reports every object, then every change', async () => {
    await add('one')
    const recorder = start()
    await listedTimes(recorder, 1)
    expect(recorder.reported).toEqual(['+one', 'listed'])
    await add('two')
    await edit('two')
    await remove('one')
    await sees(recorder, ['two'])
    expect(recorder.reported).toEqual(['+one', 'listed', '+two', '+two', '-one'])
    expect(recorder.objects[0]).toMatchObject(secret)
  })

  it('reports metadata without values if the target asks for metadata only', async () => {
    await add('one', { password: flag })
    const recorder = start(undefined, { target: { metadataOnly: true } })
    await listedTimes(recorder, 1)
    await add('two', { password: flag })
    await sees(recorder, ['one', 'two'])
    expect(recorder.objects.map(object => [object.kind, object.apiVersion])).toEqual([
      ['Secret', 'v1'],
      ['Secret', 'v1'],
    ])
    expect(JSON.stringify(recorder.objects)).not.toContain(flag)
  })

  it('shares one client with many watches and with calls', async () => {
    const client = openClient({ connection: { kind: 'kubeconfig', path: plane.kubeconfig }, userAgent })
    clients.push(client)
    const recorders = Array.from({ length: 12 }, () => {
      const recorder = createRecorder()
      const stop = new AbortController()
      const target = { ...secret, namespace }
      const done = watch(client, target, recorder.handlers, { log: recorder.log }, stop.signal)
      watching.push({ stop, done })
      return recorder
    })
    await Promise.all(recorders.map(recorder => listedTimes(recorder, 1)))
    const own = openCluster(client)
    await own.create({ ...secret, metadata: { namespace, name: 'one' } }, signal)
    await Promise.all(recorders.map(recorder => recorder.until('one', () => recorder.present.has('one'))))
    expect(recorders.flatMap(recorder => recorder.logged)).toEqual([])
  })

  it('reports an object that leaves the selection as gone', async () => {
    await add('one')
    const recorder = start()
    await listedTimes(recorder, 1)
    await cluster.patchJson(reference('one'), [{ op: 'remove', path: '/metadata/labels' }], signal)
    await sees(recorder, [])
  })
})

describe('watch where the server does not stream a list', () => {
  it.each([
    ['a 400', { status: 400, body: { kind: 'Status', message: 'unknown parameter' } }],
    ['a stream whose list never ends', { status: 200, body: undefined, lines: [] }],
  ])('reads the list in pages after %s', async (_name, answer) => {
    await add('one')
    await using via = await viaFront(url => (isList(url) ? answer : undefined))
    const recorder = start(via.front.connection, { times: { listMs: 300 } })
    await listedTimes(recorder, 1)
    await add('two')
    await sees(recorder, ['one', 'two'])
    expect(via.front.requests.some(({ url }) => url.searchParams.get('limit') === '500')).toBe(true)
  })
})

it('waits for a streamed list that is slow', async () => {
  const creationTimestamp = '2026-11-21T08:00:00Z'
  const object = (name: string) => ({
    metadata: { namespace, name, uid: name, resourceVersion: '5', creationTimestamp },
  })
  const names = ['one', 'two', 'three', 'four', 'five']
  const end = { metadata: { resourceVersion: '5', annotations: { 'k8s.io/initial-events-end': 'true' } } }
  const lines = [
    ...names.map(name => ({ type: 'ADDED', object: object(name) })),
    { type: 'BOOKMARK', object: end },
  ]
  await using via = await viaFront(() => ({ status: 200, body: undefined, lines, everyMs: 200 }))
  const recorder = start(via.front.connection, { times: { listMs: 600 } })
  await listedTimes(recorder, 1)
  await sees(recorder, names)
  expect(via.front.requests).toHaveLength(1)
})

describe('watch after a broken connection', () => {
  it('reports every change that an API server saw before and after its restart', async () => {
    await add('one')
    await add('two')
    const recorder = start()
    await listedTimes(recorder, 1)
    await plane.restartApiServer({ how: 'kill', downMs: 500 }, signal)
    await remove('one')
    await add('three')
    await sees(recorder, ['two', 'three'])
  })

  it('goes on from the last version after a silent connection', async () => {
    await using via = await viaProxy()
    await add('one')
    const recorder = start(via.connection, { times: { silenceMs: 1_500 } })
    await listedTimes(recorder, 1)
    via.proxy.silence()
    await remove('one')
    await add('two')
    await sees(recorder, ['two'])
    expect(recorder.logged.map(({ fields }) => fields.kind)).toContain('silent')
    // The watch has resumed, and has not listed again.
    expect(recorder.reported.filter(each => each === 'listed')).toHaveLength(1)
  })

  it('reports a change after the connection was reset', async () => {
    await using via = await viaProxy()
    const recorder = start(via.connection)
    await listedTimes(recorder, 1)
    via.proxy.cut()
    await add('one')
    await sees(recorder, ['one'])
  })

  const gone = { kind: 'Status', code: 410, reason: 'Expired', message: 'too old resource version: 1 (5)' }
  it.each([
    ['an HTTP 410', { status: 410, body: gone }],
    ['a 410 in the stream', { status: 200, body: undefined, lines: [{ type: 'ERROR', object: gone }] }],
    ['half a line', { status: 200, body: undefined, lines: ['{"type":"ADDED","obj\n'] }],
  ])('lists again after %s and reports deleted, new and replaced objects', async (_name, answer) => {
    await using door = await viaFront()
    await add('one')
    await add('two')
    await add('three')
    let resumes = 0
    door.front.answer = url => {
      if (!url.searchParams.has('watch') || isList(url)) return undefined
      resumes += 1
      return resumes === 1 ? answer : undefined
    }
    const recorder = start(door.front.connection, { times: { silenceMs: 1_000 } })
    await listedTimes(recorder, 1)
    const before = recorder.present.get('two')
    // The short `silenceMs` cuts the first stream. The objects change meanwhile.
    await remove('one')
    await remove('two')
    await add('two')
    await add('four')
    await listedTimes(recorder, 2)
    await sees(recorder, ['two', 'three', 'four'])
    expect(recorder.present.get('two')).not.toBe(before)
    expect(resumes).toBeGreaterThan(0)
  })

  it('tries again and logs an error while it is not allowed', async () => {
    let refused = 0
    await using door = await viaFront(() => {
      refused += 1
      return refused < 3 ? { status: 403, body: { kind: 'Status', code: 403, message: 'no' } } : undefined
    })
    await add('one')
    const recorder = start(door.front.connection)
    await listedTimes(recorder, 1)
    expect(recorder.logged.filter(({ level }) => level === 'error')).toHaveLength(2)
  })
})

describe('watch with busy handlers', () => {
  it('reads no further until they are drained, then reports everything', async () => {
    for (let i = 0; i < 20; i++) await add(`object-${i}`)
    const recorder = createRecorder()
    const gate = Promise.withResolvers<void>()
    recorder.handlers.drained = async () => {
      if (recorder.reported.length > 0) await gate.promise
    }
    start(undefined, { recorder })
    await recorder.until('the first chunk', () => recorder.reported.length > 0)
    const before = recorder.reported.length
    await add('late')
    await new Promise(resolve => setTimeout(resolve, 500))
    expect(recorder.reported.length).toBe(before)
    gate.resolve()
    await recorder.until('the rest', () => recorder.present.has('late'))
    expect(recorder.present.size).toBe(21)
  })

  it('ends at once when the signal aborts', async () => {
    const recorder = createRecorder()
    recorder.handlers.drained = async () => {
      if (recorder.reported.length > 0) await new Promise(() => {})
    }
    await add('one')
    start(undefined, { recorder })
    await recorder.until('the first chunk', () => recorder.reported.length > 0)
    const began = Date.now()
    for (const { stop, done } of watching) {
      stop.abort()
      await done
    }
    expect(Date.now() - began).toBeLessThan(4_000)
  })
})
