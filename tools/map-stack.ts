// Names the sources in a stack trace of a deployed function: `npx node tools/map-stack.ts < trace`.
// It reads the source maps that `npm run package` wrote to dist/bundles/, or those of the folder that is given: keep that
// folder with each deployment.
import { existsSync, readFileSync } from 'node:fs'
import { SourceMap } from 'node:module'
import { dirname, join, relative, resolve } from 'node:path'

const root = resolve(import.meta.dirname, '..')

/** A frame of a bundle: the handler's folder, the line and the column, both from 1 on. */
const frame = /(?:file:\/\/)?[^\s("']*?(functions\/[-\w]+\/index\.mjs):(\d+):(\d+)/g

if (import.meta.main) {
  const folder = resolve(process.argv[2] ?? join(root, 'dist/bundles'))
  process.stdout.write(mapStack(readFileSync(0, 'utf8'), folder))
}

/** Returns the text with each frame of a bundle replaced by its place in the sources. Other frames stay. */
export function mapStack(text: string, folder: string): string {
  const maps = new Map<string, SourceMap | undefined>()
  const mapOf = (bundle: string) => {
    if (!maps.has(bundle)) maps.set(bundle, readMap(join(folder, `${bundle}.map`)))
    return maps.get(bundle)
  }
  return text.replaceAll(frame, (whole, bundle: string, line: string, column: string) => {
    const found = mapOf(bundle)?.findEntry(Number(line) - 1, Number(column) - 1)
    if (!found || !('originalSource' in found)) return whole
    const { originalSource, originalLine, originalColumn } = found
    return `${originalSource}:${originalLine + 1}:${originalColumn + 1}`
  })
}

/** Sources are relative to where the map was built; the part from the project's root on is what a reader knows. */
function readMap(path: string): SourceMap | undefined {
  if (!existsSync(path)) return undefined
  const map = JSON.parse(readFileSync(path, 'utf8'))
  return new SourceMap({ ...map, sources: map.sources.map((source: string) => inProject(source, path)) })
}

function inProject(source: string, path: string): string {
  const known = source.match(/(?:^|\/)((?:lib|functions|deploy|node_modules)\/.*)$/)?.[1]
  return known ?? relative(root, resolve(dirname(path), source))
}
