import { beforeAll, describe, expect, it } from 'vitest'
import { troubles } from '../../../local/control-plane/trouble.ts'
import { sharedControlPlane, testNamespace } from '../../support/shared-parts.ts'

const { signal } = new AbortController()
let pods: string

interface Seen {
  phase: string
  podReason?: string
  ready: boolean
  /** `running`, or the reason of a waiting or terminated container. */
  state: string
  restarts: number
  last?: string
}

/** The distinct states of each pod, in order. A pod goes through all of them within seconds. */
const seen = new Map<string, Seen[]>(Object.keys(troubles).map(name => [name, []]))

beforeAll(async () => {
  const { api } = sharedControlPlane()
  pods = `/api/v1/namespaces/${(await testNamespace()).name}/pods`
  for (const name of seen.keys()) {
    const containers = [
      { name: 'main', image: `trouble.example/${name}:1` },
      { name: 'beside', image: 'registry.example/fine' },
    ]
    const { status } = await api.call('POST', pods, { metadata: { name }, spec: { containers } }, signal)
    expect(status).toBe(201)
  }
  for (const end = Date.now() + 7_000; Date.now() < end; ) await look()
})

async function look(): Promise<void> {
  const { body } = await sharedControlPlane().api.call('GET', pods, undefined, signal)
  for (const { metadata, status } of JSON.parse(body).items) {
    const container = status.containerStatuses?.[0]
    if (container === undefined) continue
    const condition = status.conditions.find((each: { type: string }) => each.type === 'Ready')
    const now: Seen = {
      phase: status.phase,
      ...(status.reason && { podReason: status.reason }),
      ready: condition.status === 'True',
      state: reasonOf(container.state),
      restarts: container.restartCount,
      ...(container.lastState.terminated && { last: reasonOf(container.lastState) }),
    }
    const before = seen.get(metadata.name)
    if (JSON.stringify(before?.at(-1)) !== JSON.stringify(now)) before?.push(now)
  }
}

function reasonOf(state: Record<string, { reason?: string }>): string {
  const [[kind, detail] = ['none', {}]] = Object.entries(state)
  return detail.reason ?? kind
}

const looksAt = (name: string) => seen.get(name) ?? []
const statesOf = (name: string) => looksAt(name).map(each => each.state)

describe('the simulated kubelet', () => {
  it('shows both reasons in turn for image-pull, and stays Pending', () => {
    expect(statesOf('image-pull').slice(0, 3)).toEqual(['ErrImagePull', 'ImagePullBackOff', 'ErrImagePull'])
    expect(new Set(looksAt('image-pull').map(each => each.phase))).toEqual(new Set(['Pending']))
  })

  it.each([
    ['invalid-image', 'InvalidImageName'],
    ['config-error', 'CreateContainerConfigError'],
  ])('shows %s as Pending, with the reason %s only', (name, state) => {
    expect(looksAt(name)).toEqual([{ phase: 'Pending', ready: false, state, restarts: 0 }])
  })

  it('shows crash-loop as Ready at each restart, with a growing count and the last termination', () => {
    const looks = looksAt('crash-loop')
    expect(looks.filter(each => each.ready).length).toBeGreaterThan(1)
    expect(looks.filter(each => each.state === 'Error').length).toBeGreaterThan(1)
    expect(looks.at(-1)).toMatchObject({ phase: 'Running', last: 'Error' })
    expect(looks.at(-1)?.restarts).toBeGreaterThan(1)
  })

  it('shows OOMKilled first in the state, then in the last state', () => {
    const looks = looksAt('oom')
    const killed = looks.findIndex(each => each.state === 'OOMKilled')
    expect(looks[killed]).not.toHaveProperty('last')
    expect(looks[killed + 1]).toMatchObject({ state: 'CrashLoopBackOff', last: 'OOMKilled' })
    expect(looks.at(-1)?.restarts).toBeGreaterThan(0)
  })

  it('shows bad-command as Running with RunContainerError, and StartError as its last termination', () => {
    expect(looksAt('bad-command')[0]).toMatchObject({
      phase: 'Running',
      ready: false,
      state: 'RunContainerError',
      last: 'StartError',
    })
    expect(statesOf('bad-command')).toContain('CrashLoopBackOff')
    expect(looksAt('bad-command').at(-1)?.restarts).toBeGreaterThan(0)
  })

  it('shows never-ready as running and not Ready', () => {
    expect(looksAt('never-ready')).toEqual([
      { phase: 'Running', ready: false, state: 'running', restarts: 0 },
    ])
  })

  it('shows slow-start as waiting, then as Ready', () => {
    expect(statesOf('slow-start')).toEqual(['ContainerCreating', 'running'])
    expect(looksAt('slow-start').at(-1)?.ready).toBe(true)
  })

  it('shows evicted as Ready, then as Failed with the reason of the pod', () => {
    expect(looksAt('evicted')[0]?.ready).toBe(true)
    expect(looksAt('evicted').at(-1)).toMatchObject({ phase: 'Failed', podReason: 'Evicted', ready: false })
  })

  it('keeps a deleted slow-stop Ready for two seconds and Failed for one, then removes it', async () => {
    const { api } = sharedControlPlane()
    const started = Date.now()
    await api.call('DELETE', `${pods}/slow-stop`, undefined, signal)
    const times: Record<string, number> = {}
    for (;;) {
      const { status, body } = await api.call('GET', `${pods}/slow-stop`, undefined, signal)
      if (status === 404) break
      times[JSON.parse(body).status.phase] = Date.now() - started
    }
    expect(Object.keys(times)).toEqual(['Running', 'Failed'])
    expect(times.Running).toBeGreaterThan(1_500)
    expect((times.Failed ?? 0) - (times.Running ?? 0)).toBeGreaterThan(700)
  })
})
