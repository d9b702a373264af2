import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { configurationReference } from '../../../lib/config/reference.ts'
import { chartSchema, schemaPath } from '../../../tools/chart-schema.ts'

const root = resolve(import.meta.dirname, '../../..')
const chart = join(root, 'charts/challenge-operator')
const read = (path: string) => readFileSync(path, 'utf8')

describe('the chart', () => {
  it('has the version of the operator', () => {
    const { version } = JSON.parse(read(join(root, 'package.json')))
    expect(parse(read(join(chart, 'Chart.yaml')))).toMatchObject({ version, appVersion: version })
  })

  it('has a schema that knows every setting, with its meaning; run `npx node tools/chart-schema.ts`', () => {
    expect(JSON.parse(read(schemaPath))).toEqual(JSON.parse(JSON.stringify(chartSchema())))
  })

  it('takes no secret as a setting', () => {
    const { settings } = chartSchema().properties as unknown as {
      settings: { properties: Record<string, unknown> }
    }
    const names = configurationReference.map(({ name }) => name)
    const left = names.filter(name => !(name in settings.properties))
    expect(left).toEqual(['FLAG_SECRET', 'FLAG_HMAC_PEPPER', 'KUBECONFIG', 'DATABASE_URL'])
  })

  it.each(['rbac', 'placements'])('has the roles of manifests/%s, not copies', folder => {
    const file = `${folder}/reconcile.yaml`
    expect(read(join(chart, 'files', file))).toBe(read(join(root, 'manifests', file)))
  })
})
