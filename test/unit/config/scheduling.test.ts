import { describe, expect, it } from 'vitest'
import { parseOperatorConfig } from '../../../lib/config/operator.ts'
import { problemsOf } from './problems-of.ts'

const parsed = (environment: Record<string, string>) => parseOperatorConfig(environment).scheduling

describe('the settings for where pods run', () => {
  it('name nothing by default', () => {
    expect(parsed({})).toEqual({ priorityClassName: undefined, nodeSelector: undefined, tolerations: [] })
  })

  it('read labels of nodes, with and without a prefix and a value', () => {
    expect(parsed({ OPERATOR_NODE_SELECTOR: 'pool=challenges, example.com/ctf=' }).nodeSelector).toEqual({
      pool: 'challenges',
      'example.com/ctf': '',
    })
  })

  it('read taints as kubectl writes them, in the order of their keys', () => {
    const { tolerations } = parsed({ OPERATOR_TOLERATIONS: 'ctf=yes:NoSchedule,spot:NoExecute,gpu' })
    expect(tolerations).toEqual([
      { key: 'ctf', operator: 'Equal', value: 'yes', effect: 'NoSchedule' },
      { key: 'gpu', operator: 'Exists' },
      { key: 'spot', operator: 'Exists', effect: 'NoExecute' },
    ])
  })

  it.each([
    ['OPERATOR_PRIORITY_CLASS', 'High_Priority', 'the name of a PriorityClass'],
    ['OPERATOR_NODE_SELECTOR', 'pool', 'label=value'],
    ['OPERATOR_NODE_SELECTOR', 'pool=a,pool=b', 'has pool with two values'],
    ['OPERATOR_NODE_SELECTOR', 'pool=a b', 'label=value'],
    ['OPERATOR_TOLERATIONS', 'ctf:Evict', 'NoSchedule, PreferNoSchedule or NoExecute'],
    ['OPERATOR_TOLERATIONS', ':NoSchedule', 'key[=value][:effect]'],
  ])('refuse %s=%s with what to write', (name, value, expected) => {
    expect(problemsOf({ [name]: value }, parseOperatorConfig)).toContain(expected)
  })
})
