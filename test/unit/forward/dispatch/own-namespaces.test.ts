import { expect, it } from 'vitest'
import { openClock } from '../../../../lib/clock/state.ts'
import { noClock } from '../../../../lib/clock/version.ts'
import { parseOperatorConfig } from '../../../../lib/config/operator.ts'
import type { ChallengeInstance } from '../../../../lib/crd/challenge-instance.ts'
import type { KubernetesObject, NetworkPolicy, Stored } from '../../../../lib/crd/objects.ts'
import { policyName } from '../../../../lib/desired/identity.ts'
import { policyRules } from '../../../../lib/desired/policy-rules.ts'
import {
  createStandingPolicies,
  type StandingPolicies,
} from '../../../../lib/forward/dispatch/standing-policies.ts'
import { createIntern } from '../../../../lib/forward/table/intern.ts'
import { createTable, type Table } from '../../../../lib/forward/table/table.ts'
import { silentLog } from '../../../../lib/telemetry/log.ts'
import { storedTemplate } from '../../../support/objects.ts'
import { virtualTime } from '../virtual-time.ts'
import { watchedEverywhere } from '../watched-everywhere.ts'
import { needing, settled, sharedPolicyOf, standingPolicy } from '../watched-objects.ts'

const { spec } = storedTemplate()
const shared = policyName(policyRules(spec))

/** A table and its policies as the forwarder joins them, for instances with a namespace of their own each. */
function setUp({ active }: { active: boolean }) {
  const time = virtualTime()
  const interned: string[] = []
  const intern = createIntern()
  const noted = (text: string) => {
    interned.push(text)
    return intern(text)
  }
  let looked = 0
  const table: Table = createTable(
    watchedEverywhere,
    {
      onRow: row => policies.rowChanged(row),
      onInstanceGone() {},
      onRowEmpty: row => policies.rowChanged(row),
    },
    new Set(),
    noted,
  )
  const policies: StandingPolicies = createStandingPolicies({
    organisersClock: { state: openClock, version: noClock },
    ...time,
    sender: { put() {} },
    table: {
      rows: table.rows,
      *dependentsIn(namespace) {
        for (const each of table.dependentsIn(namespace)) {
          looked += 1
          yield each
        }
      },
    },
    settings: parseOperatorConfig({}),
    isActive: () => active,
    trace: () => '',
    log: silentLog,
  })
  const isPolicy = ({ kind }: KubernetesObject) => kind === 'NetworkPolicy'
  return {
    table,
    policies,
    interned,
    advance: time.advance,
    looked: () => looked,
    see: (object: Stored<KubernetesObject>) =>
      isPolicy(object) ? policies.put(object as Stored<NetworkPolicy>) : table.put(object),
    gone: (object: Stored<KubernetesObject>) =>
      isPolicy(object) ? policies.remove(object) : table.remove(object.kind, object),
  }
}

/** The objects of an instance whose workload lies in a namespace of its own: two policies, the instance, and its workload. */
function placed(name: string) {
  const place = `ctf-${name}`
  const moved = <T extends Stored<KubernetesObject>>(object: T): T => ({
    ...object,
    metadata: { ...object.metadata, namespace: place },
  })
  const [instance, ...workload] = needing(settled(name), shared) as [
    Stored<ChallengeInstance>,
    ...Stored<KubernetesObject>[],
  ]
  const children = instance.status?.children?.map(child => ({ ...child, namespace: place }))
  const home = { ...instance, status: { ...instance.status, namespace: place, children } }
  return {
    policies: [moved(standingPolicy()), moved(sharedPolicyOf(spec))],
    instance: home,
    workload: workload.map(moved),
  }
}

const names = Array.from({ length: 200 }, (_, index) => `team-${index}`)

it.each([
  { active: true, first: 'policies' },
  { active: true, first: 'workload' },
  { active: false, first: 'policies' },
  { active: false, first: 'workload' },
] as const)('keeps nothing of namespaces that are gone (%j)', async ({ active, first }) => {
  const world = setUp({ active })
  for (const name of names) {
    const { policies, instance, workload } = placed(name)
    for (const each of [...policies, instance, ...workload]) world.see(each)
    const ended =
      first === 'policies' ? [...policies, ...workload, instance] : [...workload, instance, ...policies]
    expect(world.policies.size, 'while the instance runs').toBe(2)
    for (const each of ended) world.gone(each)
    await world.advance(2_000)
  }
  expect([...world.table.rows()]).toEqual([])
  expect(names.flatMap(name => [...world.table.dependentsIn(`ctf-${name}`)])).toEqual([])
  expect(world.policies.size).toBe(0)
  expect(world.interned.filter(text => text.startsWith('ctf'))).toEqual([])
})

it('looks into the namespace of a policy only, also when many instances begin and end at once', () => {
  const world = setUp({ active: true })
  const all = names.map(placed)
  // The workload may be seen before its policies: they come from other watches.
  for (const { policies, instance, workload } of all)
    for (const each of [instance, ...workload, ...policies]) world.see(each)
  for (const { policies, instance, workload } of all)
    for (const each of [...policies, ...workload, instance]) world.gone(each)
  // An instance has three watched objects, and is looked at for each of them and each policy, at its begin and end.
  expect(world.looked()).toBeLessThan(names.length * 60)
  expect(world.looked()).toBeGreaterThan(0)
})
