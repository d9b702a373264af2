import type { Deployment, Pod } from '../../lib/crd/objects.ts'
import type { Cause } from '../../lib/messages.ts'
import type { Store } from '../../lib/store/store.ts'
import { waitUntil } from '../../local/process/wait.ts'
import {
  childrenOf,
  inconsistencies,
  instanceCalled,
  outboxOf,
  platformRowsOf,
  rowsOf,
} from './consistency.ts'
import { instanceOf, templateOf } from './objects.ts'
import { referenceTo, type TestOperator } from './operator.ts'
import { passInProcess, passOf } from './process-pass.ts'

/** The visible state of an instance at one time, without the values that differ between two lives of the same kind. */
export interface LifeSnapshot {
  children: unknown[]
  status: unknown
  rows: unknown[]
  platform: unknown[]
  events: string[]
  /** The result of `inconsistencies`. */
  inconsistencies: string[]
}

/** One instance with a template of its own. The test makes its passes, each in a process of its own. */
export interface Life {
  name: string
  template: string
  /** The writes of its processes so far, in order. */
  readonly writes: readonly string[]
  /**
   * Makes passes for one message until one ends settled. A failed pass is repeated as by a timer, a crashed one as by
   * redelivery. `redelivered: false` leaves out the redelivery, which then comes too late for the next step.
   */
  passes(cause: Cause, options?: { pod?: string; redelivered?: boolean }): Promise<void>
  /** Waits until the Deployment is available with this image. @returns the name of the pod */
  podReady(image?: string): Promise<string>
  snapshot(): Promise<LifeSnapshot>
}

export const flagged = { flagStrategy: { type: 'hmac-per-instance' } } as const

/** @param crashesAtWrite number of the write, from 1 over all processes, at which one of them crashes */
export async function startLife(
  operator: TestOperator & { store: Store },
  team: number,
  crashesAtWrite: number,
): Promise<Life> {
  const name = `life-${team}`
  const template = `template-${team}`
  const { namespace, signal, cluster } = operator
  const writes: string[] = []
  await operator.database.insertInto('challenges_challenge').values({ slug: template }).execute()
  await cluster.create(templateOf(namespace, template, flagged), signal)
  const created = await cluster.create(instanceOf(namespace, name, template, team), signal)
  if (created === 'exists') throw new Error(`${name} exists`)
  const { uid = '' } = created.metadata
  return { name, template, writes, passes, podReady, snapshot }

  async function passes(cause: Cause, options: { pod?: string; redelivered?: boolean } = {}): Promise<void> {
    const { pod: named, redelivered = true } = options
    const key = { namespace, name, uid }
    let causes = new Set<Cause>([cause])
    for (let waits = 0; waits < 10; waits++) {
      const crash = { crashesAtWrite, earlier: writes.length }
      // A pass that comes back gives a slow database more time.
      const pass = passOf(key, { causes, pod: named, waits })
      const { result, writes: own } = await passInProcess(operator, pass, crash)
      writes.push(...own)
      if (result === undefined && !redelivered) return
      if (result?.outcome.kind === 'settled') return
      causes = new Set<Cause>(result === undefined ? [cause, 'retry'] : ['retry'])
    }
    throw new Error(`the passes for "${cause}" do not end settled`)
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

  async function snapshot(): Promise<LifeSnapshot> {
    const [instance, children, rows, platform, events] = await Promise.all([
      instanceCalled(operator, name),
      childrenOf(operator, name),
      rowsOf(operator, name),
      platformRowsOf(operator, team, template),
      outboxOf(operator, uid),
    ])
    const { status } = instance ?? {}
    const visible = {
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
        template: status.template && {
          ...status.template,
          hash: status.template.hash && 'HASH',
          revision: status.template.revision && 'REVISION',
        },
        conditions: status.conditions?.map(({ lastTransitionTime: _, ...rest }) => rest),
      },
      // Which pass closed the row depends on when a process died.
      rows: rows.map(({ torn_down: _, ...row }) => ({
        ...Object.fromEntries(
          Object.entries(row).map(([key, value]) => [key, value instanceof Date ? 'TIME' : value]),
        ),
        flag_hmac: row.flag_hmac && 'HMAC',
        digest: row.digest && 'DIGEST',
      })),
      platform: platform.map(({ status: platformStatus, endpoint_url }) => ({
        platformStatus,
        endpoint_url,
      })),
      events,
      inconsistencies: await inconsistencies(operator, name),
    }
    return JSON.parse(withoutIdentity(JSON.stringify(visible)))
  }

  function withoutIdentity(text: string): string {
    const pairs: [string, string][] = [
      [uid, 'UID'],
      [name, 'NAME'],
      [template, 'TEMPLATE'],
      [`"team_id":"${team}"`, '"team_id":"TEAM"'],
      [`"value":"${team}"`, '"value":"TEAM"'],
      [`/team":"${team}"`, '/team":"TEAM"'],
    ]
    const replaced = pairs.reduce((changed, [from, to]) => changed.replaceAll(from, to), text)
    return replaced
      .replace(/fingerprint":"[0-9a-f]+"/g, 'fingerprint":"OF A FLAG"')
      .replace(/"uid":"[0-9a-f-]{36}"/g, '"uid":"OTHER"')
      .replace(/"clusterIPs?":(\["[^"]*"\]|"[^"]*")/g, '"clusterIP":"IP"')
  }
}

function hasImage(pod: Pod, image: string | undefined): boolean {
  return image === undefined || pod.spec?.containers?.[0]?.image === image
}

function isTrue(conditions: { type: string; status: string }[] | undefined, type: string): boolean {
  return conditions?.some(each => each.type === type && each.status === 'True') === true
}
