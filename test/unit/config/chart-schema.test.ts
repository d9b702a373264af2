import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { configurationReference } from '../../../lib/config/reference.ts'
import { chartSchema, schemaPath } from '../../../tools/chart-schema.ts'

describe('the schema of the chart', () => {
  it('knows every setting, with its meaning; if not, run `npx node tools/chart-schema.ts`', () => {
    expect(JSON.parse(readFileSync(schemaPath, 'utf8'))).toEqual(JSON.parse(JSON.stringify(chartSchema())))
  })

  it('takes no secret as a setting', () => {
    const { settings } = chartSchema().properties as unknown as {
      settings: { properties: Record<string, unknown> }
    }
    const names = configurationReference.map(({ name }) => name)
    const left = names.filter(name => !(name in settings.properties))
    expect(left).toEqual(['FLAG_SECRET', 'FLAG_HMAC_PEPPER', 'KUBECONFIG', 'DATABASE_URL'])
  })
})
