import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type BuildOptions, build } from 'esbuild'
import { parse } from 'yaml'

type Settings = Required<
  Pick<BuildOptions, 'minify' | 'keepNames' | 'format' | 'target' | 'external' | 'banner'>
>

const root = join(import.meta.dirname, '../..')

/**
 * A file beside this one, bundled as serverless.yml has the functions bundled.
 * @param folder where it is written, below the project: what stays outside of the bundle is found from there
 * @returns its path
 */
export async function bundle(file: string, folder: string): Promise<string> {
  const text = await readFile(join(root, 'serverless.yml'), 'utf8')
  // CloudFormation's tags are unknown to it, and of no account here.
  const { custom } = parse(text, { logLevel: 'error' }) as { custom: { esbuild: Settings } }
  const { minify, keepNames, format, target, external, banner } = custom.esbuild
  const outfile = join(folder, file.replace(/\.ts$/, '.mjs'))
  await build({
    minify,
    keepNames,
    format,
    target,
    external,
    banner,
    bundle: true,
    platform: 'node',
    entryPoints: [join(import.meta.dirname, file)],
    outfile,
  })
  return outfile
}
