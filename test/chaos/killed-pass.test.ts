import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Deployment, Pod } from '../../lib/crd/objects.ts'
import { openCluster } from '../../lib/kubernetes/open-cluster.ts'
import type { Cause } from '../../lib/messages.ts'
import type { Pass } from '../../lib/reconcile/outcome.ts'
import { createReconcile } from '../../lib/reconcile/reconcile.ts'
import { waitUntil } from '../../local/wait.ts'
import { type FaultyOperator, startFaultyOperator } from '../support/faulty-operator.ts'
import { mortal } from '../support/killable.ts'
import { eventually, instanceOf, referenceTo, templateOf } from '../support/operator.ts'
import { childrenOf, instanceCalled, misfits, outboxOf, platformRowsOf, rowsOf } from '../support/world-of.ts'

/** Lives side by side: the API server's processor is the limit. */
const sideBySide = 6
const never = Number.POSITIVE_INFINITY

let operator: FaultyOperator
beforeAll(async () => {
  const teams = Array.from({ length: 200 }, (_, index) => index + 1)
  operator = await startFaultyOperator({ forwarder: false, teams })
})
afterAll(() => operator?.stop())

let lives = 0

/** What a life ends each of its chapters with, without what differs between two lives of the same kind. */
interface Chapter {
  children: unknown[]
  status: unknown
  rows: unknown[]
  platform: unknown[]
  events: string[]
}

/**
 * One instance from its creation over Ready and an edited template to its end, every pass of it by one process,
 * which dies once. A dead process's message is delivered again, to a new one.
 */
async function live(diesAtWrite: number): Promise<{ chapters: Chapter[]; writes: string[] }> {
  lives += 1
  const team = lives
  const name = `life-${team}`
  const template = `template-${team}`
  const { namespace, signal, cluster } = operator
  const parts = { client: operator.client, store: operator.store }
  const chapters: Chapter[] = []
  const writes: string[] = []

  const flag = { flagStrategy: { type: 'hmac-per-instance' } } as const
  await operator.database.insertInto('challenges_challenge').values({ slug: template }).execute()
  await cluster.create(templateOf(namespace, template, flag), signal)
  const created = await cluster.create(instanceOf(namespace, name, template, team), signal)
  if (created === 'exists') throw new Error(`${name} exists`)
  const { uid = '' } = created.metadata

  await passes('changed')
  chapters.push(await chapter())
  await passes('pod', await podReady())
  chapters.push(await chapter())
  const edited = { ...flag, image: 'registry.example.com/ctf/web:2', env: [{ name: 'LEVEL', value: 'hard' }] }
  await cluster.apply(templateOf(namespace, template, edited), signal)
  await passes('template')
  await passes('pod', await podReady('registry.example.com/ctf/web:2'))
  chapters.push(await chapter())
  await cluster.delete(referenceTo(operator, 'ChallengeInstance', name), {}, signal)
  await passes('deleted')
  await eventually(operator, 'Deployment', name, each => each === undefined)
  await passes('deleted')
  chapters.push(await chapter())
  return { chapters, writes }

  /** Until one ends settled: a failed one comes back by a timer, a killed one by redelivery. */
  async function passes(cause: Cause, pod?: string): Promise<void> {
    const first: Pass = { namespace, name, uids: [uid], causes: new Set([cause]), pod, attempt: 0, waits: 0 }
    let pass = first
    for (let tries = 0; tries < 5; tries++) {
      const process = mortal(parts, diesAtWrite, writes.length)
      const { config } = operator
      const clocks = { now: Date.now, random: Math.random }
      const reconcile = createReconcile({
        cluster: openCluster(process.client),
        store: process.store,
        config,
        ...clocks,
      })
      const ended = await reconcile(pass, AbortSignal.any([signal, AbortSignal.timeout(30_000)])).catch(
        thrown => {
          if (process.dead) return undefined
          throw thrown
        },
      )
      writes.push(...process.log)
      if (process.dead) {
        pass = first
        continue
      }
      if (ended?.outcome.kind === 'settled') return
      pass = { ...first, causes: new Set(['retry']) }
    }
    throw new Error(`the passes for "${cause}" do not settle`)
  }

  async function podReady(image?: string): Promise<string> {
    let pod: Pod | undefined
    const selection = { namespace, labelSelector: `app=${name}` }
    const isReady = async () => {
      for await (const page of cluster.list<Pod>({ apiVersion: 'v1', kind: 'Pod' }, selection, signal))
        pod = page.find(each => hasImage(each, image) && isTrue(each.status?.conditions, 'Ready'))
      const deployment = await cluster.get<Deployment>(referenceTo(operator, 'Deployment', name), signal)
      const { status, metadata } = deployment ?? {}
      const current = status?.observedGeneration === metadata?.generation && status?.updatedReplicas === 1
      return pod !== undefined && current && isTrue(status?.conditions, 'Available')
    }
    await waitUntil(`the pod of ${name}`, 30_000, isReady, signal)
    return pod?.metadata.name ?? ''
  }

  async function chapter(): Promise<Chapter> {
    const [instance, children, rows, platform, events] = await Promise.all([
      instanceCalled(operator, name),
      childrenOf(operator, name),
      rowsOf(operator, name),
      platformRowsOf(operator, team, template),
      outboxOf(operator, uid),
    ])
    expect(await misfits(operator, name)).toEqual([])
    const { status } = instance ?? {}
    const told = {
      children: children.map(({ kind, metadata, spec, data }) => ({
        kind,
        labels: metadata.labels,
        owners: metadata.ownerReferences,
        spec,
        keys: data && Object.keys(data as object),
      })),
      status: status && {
        ...status,
        podName: status.podName && 'POD',
        children: status.children?.map(({ kind, name: child }) => ({ kind, child })),
        template: status.template && { ...status.template, hash: status.template.hash && 'HASH' },
        conditions: status.conditions?.map(({ lastTransitionTime: _, ...rest }) => rest),
      },
      rows: rows.map(row => ({
        ...Object.fromEntries(
          Object.entries(row).map(([key, value]) => [key, value instanceof Date ? 'TIME' : value]),
        ),
        flag_hmac: row.flag_hmac && 'HMAC',
      })),
      platform: platform.map(({ status: said, endpoint_url }) => ({ said, endpoint_url })),
      events,
    }
    return JSON.parse(likeAnyLife(JSON.stringify(told)))
  }

  function likeAnyLife(text: string): string {
    const pairs: [string, string][] = [
      [uid, 'UID'],
      [name, 'NAME'],
      [template, 'TEMPLATE'],
      [`"team_id":"${team}"`, '"team_id":"TEAM"'],
      [`"value":"${team}"`, '"value":"TEAM"'],
      [`/team":"${team}"`, '/team":"TEAM"'],
    ]
    const replaced = pairs.reduce((said, [from, to]) => said.replaceAll(from, to), text)
    return replaced
      .replace(/fingerprint":"[0-9a-f]+"/g, 'fingerprint":"OF A FLAG"')
      .replace(/"uid":"[0-9a-f-]{36}"/g, '"uid":"OTHER"')
      .replace(/"clusterIPs?":(\["[^"]*"\]|"[^"]*")/g, '"clusterIP":"IP"')
  }
}

test('does a life come out the same, whichever write its process dies after', async () => {
  // The first life also makes what all lives of a namespace share.
  await live(never)
  const { chapters, writes } = await live(never)
  const started = ['instance.provisioning', 'instance.ready']
  expect(chapters.at(-1)?.events).toEqual([...started, ...started, 'instance.deleted'])
  expect(chapters.at(-1)?.children).toEqual([])
  expect(writes.length).toBeGreaterThan(20)
  const failures: string[] = []
  const work = writes.entries()
  const worker = async () => {
    for (const [index, what] of work)
      try {
        const differences = differencesOf((await live(index + 1)).chapters, chapters)
        if (differences.length > 0)
          failures.push(`killed after ${index + 1} ${what}: ${differences.join(', ')}`)
      } catch (thrown) {
        failures.push(`killed after ${index + 1} ${what}: ${(thrown as Error).message}`)
      }
  }
  await Promise.all(Array.from({ length: sideBySide }, worker))
  expect(failures).toEqual([])
}, 120_000)

function hasImage(pod: Pod, image: string | undefined): boolean {
  return image === undefined || pod.spec?.containers?.[0]?.image === image
}

function isTrue(conditions: { type: string; status: string }[] | undefined, type: string): boolean {
  return conditions?.some(each => each.type === type && each.status === 'True') === true
}

function differencesOf(found: Chapter[], expected: Chapter[]): string[] {
  const lines = (value: unknown, path: string): string[] =>
    typeof value === 'object' && value !== null
      ? Object.entries(value).flatMap(([key, inner]) => lines(inner, `${path}.${key}`))
      : [`${path} ${value}`]
  const [has, wants] = [lines(found, ''), lines(expected, '')]
  return [
    ...has.filter(line => !wants.includes(line)).map(line => `+${line}`),
    ...wants.filter(line => !has.includes(line)).map(line => `-${line}`),
  ]
}
