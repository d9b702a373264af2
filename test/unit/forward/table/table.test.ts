import { expect, test } from 'vitest'
import { labels } from '../../../../lib/crd/group.ts'
import type { KubernetesObject, Stored } from '../../../../lib/crd/objects.ts'
import { createTable } from '../../../../lib/forward/table/table.ts'
import { watchedIn } from '../../../../lib/forward/table/targets.ts'
import { childrenOf, instance, namespace, pod, settled, template } from '../watched-objects.ts'

function setUp(watched = watchedIn({ namespaces: '*', everywhere: false })) {
  const events: string[] = []
  const table = createTable(watched, {
    onRow: row => events.push(`row ${row.name}`),
    onInstanceGone: (row, gone) => events.push(`gone ${row.name} ${gone.uid}`),
    onRowEmpty: row => events.push(`empty ${row.name}`),
  })
  const rows = () => [...table.rows()].map(row => `${row.name} ${row.dependents.length}`)
  return { table, rows, takeEvents: () => events.splice(0) }
}

test('children and pods belong to the row of the instance that their labels name', () => {
  const { table, rows } = setUp()
  for (const each of [...settled('a').all, ...settled('b').all]) table.put(each)
  expect(rows()).toEqual(['a 4', 'b 4'])
})

test('removed objects leave nothing in the table', () => {
  const { table, rows, takeEvents } = setUp()
  const { all } = settled('a')
  all.forEach(table.put)
  takeEvents()
  for (const each of all) table.remove(each.kind, each)
  expect(rows()).toEqual([])
  expect(takeEvents()).toEqual(['gone a uid-a', 'row a', 'row a', 'row a', 'row a', 'empty a'])
})

test('an instance with another uid under the same name reports the old one as gone first', () => {
  const { table, takeEvents } = setUp()
  table.put(instance('a'))
  table.put(instance('a', { uid: 'new' }))
  expect(takeEvents()).toEqual(['row a', 'gone a uid-a', 'row a'])
})

test('a late deletion of a predecessor does not remove the successor', () => {
  const { table, takeEvents } = setUp()
  table.put(instance('a', { uid: 'new' }))
  takeEvents()
  table.remove('ChallengeInstance', instance('a'))
  expect(takeEvents()).toEqual([])
})

test('a child with changed labels leaves its row', () => {
  const { table, rows } = setUp()
  const [child] = childrenOf(instance('a')) as [Stored<KubernetesObject>]
  table.put(instance('a'))
  table.put(child)
  const own = { ...child.metadata.labels, [labels.instance]: 'b' }
  table.put({ ...child, metadata: { ...child.metadata, labels: own } })
  expect(rows()).toEqual(['a 0', 'b 1'])
  table.put({ ...child, metadata: { ...child.metadata, labels: {} } })
  expect(rows()).toEqual(['a 0'])
})

test('a new, changed or removed template changes the rows of its instances', () => {
  const { table, takeEvents } = setUp()
  table.put(instance('a'))
  table.put(instance('b'))
  takeEvents()
  table.put(template(1))
  table.put(template(1))
  expect(takeEvents()).toEqual(['row a', 'row b'])
  table.remove('ChallengeTemplate', template(1))
  expect(takeEvents()).toEqual(['row a', 'row b'])
})

test('children of instances in namespaces that are not watched are not in the table', () => {
  const { table, rows } = setUp(watchedIn({ namespaces: [namespace], everywhere: false }))
  const [child] = childrenOf(instance('a')) as [Stored<KubernetesObject>]
  const own = { ...child.metadata.labels, [labels.instanceNamespace]: 'elsewhere' }
  table.put({ ...child, metadata: { ...child.metadata, labels: own } })
  expect(rows()).toEqual([])
})

test('recorded children in namespaces that are not watched are not in the digest', () => {
  const { table } = setUp(watchedIn({ namespaces: ['other'], everywhere: false }))
  const { instance: whole } = settled('a')
  table.put({ ...whole, metadata: { ...whole.metadata, namespace: 'other' } })
  expect([...table.rows()][0]?.instance?.children).toEqual([])
})

test('a newer version of an object replaces the older one', () => {
  const { table, rows } = setUp()
  const bare = instance('a')
  table.put(pod(bare, false))
  table.put(pod(bare, true))
  expect(rows()).toEqual(['a 1'])
  expect([...table.rows()][0]?.dependents[0]?.pod?.ready).toBe(true)
})
