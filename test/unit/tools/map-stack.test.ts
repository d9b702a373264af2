import { spawnSync } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from 'esbuild'
import { expect, it } from 'vitest'
import { mapStack } from '../../../tools/map-stack.ts'

const source = `interface Options { wanted: string }

export function handle({ wanted }: Options): string {
  if (wanted !== 'nothing') throw new Error('a failure of the test')
  return wanted
}

handle({ wanted: 'a stack' })
`

it('names the line of the source in the trace of a minified bundle', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'map-stack-'))
  try {
    await mkdir(join(folder, 'functions/broken'), { recursive: true })
    const entry = join(folder, 'functions/broken/index.ts')
    await writeFile(entry, source)
    await build({
      entryPoints: [entry],
      outdir: join(folder, 'built/functions/broken'),
      outExtension: { '.js': '.mjs' },
      ...{ bundle: true, minify: true, keepNames: true, platform: 'node', format: 'esm' },
      sourcemap: 'external',
    })
    const built = join(folder, 'built')
    const { stderr } = spawnSync(process.execPath, [join(built, 'functions/broken/index.mjs')], {
      encoding: 'utf8',
    })
    expect(stderr).toContain('index.mjs:1:')
    const mapped = mapStack(stderr, built)
    expect(mapped).toContain('at handle (functions/broken/index.ts:4:35)')
    expect(mapStack(stderr, join(folder, 'nowhere'))).toBe(stderr)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})
