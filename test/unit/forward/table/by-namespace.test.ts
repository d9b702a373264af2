import { expect, test } from 'vitest'
import { createByNamespace } from '../../../../lib/forward/table/by-namespace.ts'

const at = (namespace: string, name: string, version = 1) => ({ namespace, name, version })

test('values are found by namespace and name, however many lie in the namespace', () => {
  const index = createByNamespace<ReturnType<typeof at>>()
  for (const each of [at('one', 'a'), at('two', 'a'), at('two', 'b'), at('two', 'c')]) index.put(each)
  expect(index.get('one', 'a')).toEqual(at('one', 'a'))
  expect(index.get('one', 'b')).toBeUndefined()
  expect(index.get('two', 'b')).toEqual(at('two', 'b'))
  expect(index.get('three', 'a')).toBeUndefined()
  expect([...index.inNamespace('two')].map(({ name }) => name)).toEqual(['a', 'b', 'c'])
  expect([...index.inNamespace('three')]).toEqual([])
  expect([...index.values()]).toHaveLength(4)
})

test('a value takes the place of the one with its namespace and name', () => {
  const index = createByNamespace<ReturnType<typeof at>>()
  for (const each of [at('one', 'a'), at('one', 'a', 2), at('two', 'a'), at('two', 'b'), at('two', 'b', 2)])
    index.put(each)
  expect([...index.values()]).toEqual([at('one', 'a', 2), at('two', 'a'), at('two', 'b', 2)])
})

test('a dropped value leaves its neighbours', () => {
  const index = createByNamespace<ReturnType<typeof at>>()
  for (const each of [at('one', 'a'), at('two', 'a'), at('two', 'b')]) index.put(each)
  index.drop(at('one', 'another'))
  index.drop(at('two', 'a'))
  expect([...index.values()]).toEqual([at('one', 'a'), at('two', 'b')])
  index.drop(at('two', 'b'))
  index.drop(at('one', 'a'))
  expect([...index.values()]).toEqual([])
})
