import { execFileSync } from 'node:child_process'
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parse, stringify } from 'yaml'

/**
 * Writes the definitions beside this file from releases of the Go module sigs.k8s.io/gateway-api, which Go verifies by
 * its checksum database: `node test/support/gateway-api/refresh.ts`. README.md names what is changed in them.
 */
const sources = [
  {
    to: 'gatewayclasses.yaml',
    release: '1.5.1',
    from: 'standard/gateway.networking.k8s.io_gatewayclasses.yaml',
  },
  { to: 'gateways.yaml', release: '1.5.1', from: 'standard/gateway.networking.k8s.io_gateways.yaml' },
  { to: 'httproutes.yaml', release: '1.5.1', from: 'standard/gateway.networking.k8s.io_httproutes.yaml' },
  { to: 'tlsroutes-v1.yaml', release: '1.5.1', from: 'standard/gateway.networking.k8s.io_tlsroutes.yaml' },
  {
    to: 'tlsroutes-v1alpha3.yaml',
    release: '1.4.0',
    from: 'experimental/gateway.networking.k8s.io_tlsroutes.yaml',
  },
  {
    to: 'tlsroutes-v1alpha2.yaml',
    release: '1.3.0',
    from: 'experimental/gateway.networking.k8s.io_tlsroutes.yaml',
  },
] as const

interface Definition {
  spec: { versions: { served: boolean }[] }
}

for (const { to, release, from } of sources) {
  const folder = folderOf(release)
  const definition: Definition = parse(readFileSync(join(folder, 'config/crd', from), 'utf8'))
  definition.spec.versions = definition.spec.versions.filter(({ served }) => served)
  const head =
    `# ${from} of sigs.k8s.io/gateway-api v${release} (Apache-2.0, see LICENSE), without\n` +
    '# descriptions and without versions that are not served. Written by refresh.ts.\n'
  writeFileSync(
    join(import.meta.dirname, to),
    head + stringify(withoutDescriptions(definition), { lineWidth: 120 }),
  )
  copyFileSync(join(folder, 'LICENSE'), join(import.meta.dirname, 'LICENSE'))
}

function folderOf(release: string): string {
  const module = `sigs.k8s.io/gateway-api@v${release}`
  const answer = execFileSync('go', ['mod', 'download', '-json', module], { cwd: tmpdir(), encoding: 'utf8' })
  return (JSON.parse(answer) as { Dir: string }).Dir
}

/** A property called `description` is an object, and stays. */
function withoutDescriptions(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutDescriptions)
  if (typeof value !== 'object' || value === null) return value
  const kept = Object.entries(value).filter(
    ([key, each]) => key !== 'description' || typeof each !== 'string',
  )
  return Object.fromEntries(kept.map(([key, each]) => [key, withoutDescriptions(each)]))
}
