import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'

const folder = join(import.meta.dirname, '../../support/gateway-api')

interface Definition {
  metadata: { name: string; annotations: Record<string, string> }
  spec: { versions: { name: string; served: boolean; storage: boolean }[] }
}

describe('the definitions of the Gateway API', () => {
  it.each([
    ['gatewayclasses', 'v1.5.1 standard', ['v1', 'v1beta1']],
    ['gateways', 'v1.5.1 standard', ['v1', 'v1beta1']],
    ['httproutes', 'v1.5.1 standard', ['v1', 'v1beta1']],
    ['tlsroutes-v1', 'v1.5.1 standard', ['v1']],
    ['tlsroutes-v1alpha3', 'v1.4.0 experimental', ['v1alpha2', 'v1alpha3']],
    ['tlsroutes-v1alpha2', 'v1.3.0 experimental', ['v1alpha2']],
  ])('%s are those of %s, and serve %s', (file, release, versions) => {
    const { metadata, spec }: Definition = parse(readFileSync(join(folder, `${file}.yaml`), 'utf8'))
    expect(metadata.name).toBe(`${file.replace(/-.*/, '')}.gateway.networking.k8s.io`)
    const annotation = (name: string) => metadata.annotations[`gateway.networking.k8s.io/${name}`]
    expect(`${annotation('bundle-version')} ${annotation('channel')}`).toBe(release)
    expect(spec.versions.filter(({ served }) => served).map(({ name }) => name)).toEqual(versions)
    expect(spec.versions.filter(({ storage }) => storage)).toHaveLength(1)
  })
})
