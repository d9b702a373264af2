import { describe, expect, it } from 'vitest'
import { parseOperatorConfig } from '../../../lib/config/operator.ts'
import { configurationReference } from '../../../lib/config/reference.ts'
import { problemsOf } from './problems-of.ts'

describe('the configuration reference', () => {
  it('names the default that the parse uses for every setting that has one', () => {
    const written = configurationReference.filter(each => each.default !== undefined)
    const environment = Object.fromEntries(written.map(each => [each.name, each.default]))
    expect(parseOperatorConfig(environment)).toEqual(parseOperatorConfig({}))
  })

  it('has only OPERATOR_ variables that the parse reads, each once', () => {
    const names = configurationReference.map(each => each.name)
    expect(new Set(names).size).toBe(names.length)
    for (const name of names.filter(each => each.startsWith('OPERATOR_')))
      expect(problemsOf({ [name]: '\0' }, parseOperatorConfig), `${name} is not read`).toContain(name)
  })
})
