import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'

const root = resolve(import.meta.dirname, '../../..')
const chart = join(root, 'charts/challenge-operator')
const read = (path: string) => readFileSync(path, 'utf8')

describe('the chart', () => {
  it('has the version of the operator', () => {
    const { version } = JSON.parse(read(join(root, 'package.json')))
    expect(parse(read(join(chart, 'Chart.yaml')))).toMatchObject({ version, appVersion: version })
  })

  it.each(['rbac', 'placements'])('has the roles of manifests/%s, not copies', folder => {
    const file = `${folder}/reconcile.yaml`
    expect(read(join(chart, 'files', file))).toBe(read(join(root, 'manifests', file)))
  })
})
