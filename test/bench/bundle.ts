import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type BuildOptions, build as esbuild, type Plugin } from 'esbuild'
import { parse } from 'yaml'
import { ofFunctions, replaceUnused } from '../../deploy/bundle/plugins.ts'

type Settings = Required<
  Pick<BuildOptions, 'minify' | 'keepNames' | 'format' | 'target' | 'external' | 'banner' | 'define'>
>

const root = join(import.meta.dirname, '../..')

/**
 * Bundles a file of this folder with the settings for functions in serverless.yml.
 * @param folder folder for the bundle, below the project, so that Node finds the packages outside of the bundle
 * @returns the path of the bundle
 */
export function bundle(file: string, folder: string): Promise<string> {
  const entry = join(import.meta.dirname, file)
  return build(entry, { outfile: join(folder, file.replace(/\.ts$/, '.mjs')), plugins: [replaceUnused] })
}

/** Bundles a function as it is deployed. @returns the path of the bundle */
export function bundleFunction(name: string, folder: string): Promise<string> {
  const entry = join(root, `functions/${name}/index.ts`)
  return build(entry, { outfile: join(folder, `${name}.mjs`), plugins: ofFunctions })
}

async function build(
  entry: string,
  { outfile, plugins }: { outfile: string; plugins: readonly Plugin[] },
): Promise<string> {
  const text = await readFile(join(root, 'serverless.yml'), 'utf8')
  // The parser does not know CloudFormation's tags, which do not matter here.
  const { custom } = parse(text, { logLevel: 'error' }) as { custom: { esbuild: Settings } }
  const { minify, keepNames, format, target, external, banner, define } = custom.esbuild
  await esbuild({
    ...{ minify, keepNames, format, target, external, banner, define, outfile },
    plugins: [...plugins],
    bundle: true,
    platform: 'node',
    entryPoints: [entry],
  })
  return outfile
}
