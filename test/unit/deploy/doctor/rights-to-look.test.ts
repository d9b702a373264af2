import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'

const root = join(import.meta.dirname, '../../../..')
const page = readFileSync(join(root, 'docs/deploy-aws.md'), 'utf8')
const [, text = ''] = /```json\n([^`]*SimulatePrincipalPolicy[^`]*)```/.exec(page) ?? []
const { Statement: statements } = JSON.parse(text) as {
  Statement: { Action: string[]; Resource: string }[]
}

/** The rights that the questions of doctor name. */
function asked(): string[] {
  const folder = join(root, 'deploy/doctor')
  const sources = readdirSync(folder).map(file => readFileSync(join(folder, file), 'utf8'))
  return [
    ...new Set(
      sources.flatMap(each => [...each.matchAll(/\bask\('(\w+:\w+)'/g)].map(([, right]) => right ?? '')),
    ),
  ]
}

describe('the rights to look at a stack in docs/deploy-aws.md', () => {
  it('are those that doctor asks with, and the list of the resources', () => {
    const granted = statements.flatMap(({ Action }) => Action)
    expect(granted.toSorted()).toEqual([...asked(), 'cloudformation:ListStackResources'].toSorted())
  })

  it('let nobody invoke or read a function of somebody else', () => {
    const onFunctions = ['lambda:InvokeFunction', 'lambda:GetFunctionConfiguration']
    const resources = statements.flatMap(({ Action, Resource }) =>
      Action.some(each => onFunctions.includes(each)) ? [Resource] : [],
    )
    expect(resources).toEqual(['arn:aws:lambda:*:*:function:challenge-operator-*'])
  })
})
