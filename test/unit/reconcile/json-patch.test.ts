import { describe, expect, it } from 'vitest'
import { setAnnotation } from '../../../lib/reconcile/json-patch.ts'

describe('setAnnotation', () => {
  it('escapes the name of the annotation', () => {
    expect(setAnnotation({ annotations: {} }, 'example.com/a~b', 'x')).toEqual({
      op: 'add',
      path: '/metadata/annotations/example.com~1a~0b',
      value: 'x',
    })
  })

  it('sets all annotations of an object without any', () => {
    expect(setAnnotation({}, 'example.com/a', 'x')).toEqual({
      op: 'add',
      path: '/metadata/annotations',
      value: { 'example.com/a': 'x' },
    })
  })
})
