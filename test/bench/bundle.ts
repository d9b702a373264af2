import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type BuildOptions, build } from 'esbuild'
import { parse } from 'yaml'
import { replaceUnused } from '../../deploy/bundle/plugins.ts'

type Settings = Required<
  Pick<BuildOptions, 'minify' | 'keepNames' | 'format' | 'target' | 'external' | 'banner' | 'define'>
>

const root = join(import.meta.dirname, '../..')

/**
 * Bundles a file of this folder with the settings for functions in serverless.yml.
 * @param folder folder for the bundle, below the project, so that Node finds the packages outside of the bundle
 * @returns the path of the bundle
 */
export async function bundle(file: string, folder: string): Promise<string> {
  const text = await readFile(join(root, 'serverless.yml'), 'utf8')
  // The parser does not know CloudFormation's tags, which do not matter here.
  const { custom } = parse(text, { logLevel: 'error' }) as { custom: { esbuild: Settings } }
  const { minify, keepNames, format, target, external, banner, define } = custom.esbuild
  const outfile = join(folder, file.replace(/\.ts$/, '.mjs'))
  await build({
    minify,
    keepNames,
    format,
    target,
    external,
    banner,
    define,
    plugins: [replaceUnused],
    bundle: true,
    platform: 'node',
    entryPoints: [join(import.meta.dirname, file)],
    outfile,
  })
  return outfile
}
