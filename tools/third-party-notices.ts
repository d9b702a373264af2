// Writes THIRD_PARTY_NOTICES.md from the installed packages. Run `npx node tools/third-party-notices.ts` after a change of dependencies.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'

const root = resolve(import.meta.dirname, '..')

interface Locked {
  version: string
  license?: string
  dependencies?: Record<string, string>
  peerDependencies?: Record<string, string>
}

interface Shipped {
  /** The name with the version. */
  name: string
  license: string
  text: string
}

const intro = `# Third-party notices

The function bundles of challenge-operator contain code of the packages below, in whole or in part. Everything else that
this repository uses (tests, tools, what \`npm start\` embeds) is not part of them. In particular Kubernetes, etcd and kwok are
built from their sources on the machine that runs \`npm start\`, and are not shipped.

The list has every package that the runtime \`dependencies\` of package.json need, which is more than the bundles in fact
contain. It is written by \`tools/third-party-notices.ts\`. The text of Apache-2.0 is in [LICENSE](LICENSE).`

/** Packages of types only. They are stripped before anything is bundled. */
const neverBundled = /^@types\/|^undici-types$/

const mit = `Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the "Software"), to deal in the Software without restriction, including without limitation the rights
to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit persons to
whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE,
ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.`

const packages: Record<string, Locked> = JSON.parse(
  readFileSync(join(root, 'package-lock.json'), 'utf8'),
).packages

if (import.meta.main) writeFileSync(join(root, 'THIRD_PARTY_NOTICES.md'), notices())

/** Returns the text of THIRD_PARTY_NOTICES.md. */
export function notices(): string {
  const shipped = reachable()
    .toSorted()
    .filter(path => !neverBundled.test(nameOf(path)))
    .map(read)
  const texts = [...Map.groupBy(shipped, each => each.text)].map(
    ([text, same]) => `### ${same.map(each => each.name).join(', ')}\n\n\`\`\`text\n${text}\n\`\`\``,
  )
  const table = tableOf(shipped.map(({ name, license }) => [name, license]))
  return `${[intro, table, '## Texts', ...texts].join('\n\n')}\n`
}

/** A table whose columns are aligned, as in the other documents. */
function tableOf(rows: [name: string, license: string][]): string {
  const all: [string, string][] = [['package', 'licence'], ...rows]
  const widths = [0, 1].map(column => Math.max(...all.map(row => (row[column] ?? '').length)))
  const lines = all.map(
    row => `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`,
  )
  return lines.toSpliced(1, 0, `| ${widths.map(width => '-'.repeat(width)).join(' | ')} |`).join('\n')
}

/** Returns the paths in node_modules of every package that the runtime dependencies need. */
function reachable(): string[] {
  const found = new Set<string>()
  const visit = (from: string, names: string[]) => {
    for (const path of names.flatMap(name => resolved(from, name) ?? [])) {
      if (found.has(path)) continue
      found.add(path)
      const { dependencies, peerDependencies } = packages[path] ?? {}
      visit(path, Object.keys({ ...dependencies, ...peerDependencies }))
    }
  }
  visit('', Object.keys(packages['']?.dependencies ?? {}))
  return [...found]
}

/** Resolves a package as Node does: in the package's own folder, then upwards. Undefined for an optional peer that is not installed. */
function resolved(from: string, name: string): string | undefined {
  const inner = from.split('/node_modules/')
  const folders = inner.map((_, index) => inner.slice(0, inner.length - index).join('/node_modules/'))
  const candidates = [...folders.filter(folder => folder !== '').map(folder => `${folder}/`), '']
  return candidates.map(folder => `${folder}node_modules/${name}`).find(path => packages[path] !== undefined)
}

function nameOf(path: string): string {
  return path.split('node_modules/').at(-1) ?? path
}

function read(path: string): Shipped {
  const { version = '', license = 'not named' } = packages[path] ?? {}
  const folder = join(root, path)
  const own = readdirSync(folder).filter(
    file => /^(licen[cs]e|copying|notice)/i.test(file) && !file.endsWith('.js'),
  )
  const files = own.toSorted().map(file => readFileSync(join(folder, file), 'utf8').replaceAll('\r\n', '\n'))
  const text = files.map(each => withoutApache(each.trim())).join('\n\n')
  return { name: `${nameOf(path)} ${version}`, license, text: text || standardText(license, folder) }
}

/** Replaces the text of Apache-2.0, which most packages share, by its name. A longer file contains more than that text and stays. */
function withoutApache(text: string): string {
  const isApache = /^Apache License\s+Version 2\.0, January 2004/.test(text) && text.length < 12_000
  if (!isApache) return text
  const copyright = text.split('\n').filter(line => /^\s*Copyright (\(c\) )?\d{4}/i.test(line))
  return ['Apache License, Version 2.0', ...copyright.map(line => line.trim())].join('\n')
}

/** Returns the text for a package that names a licence and contains no text of it. */
function standardText(license: string, folder: string): string {
  const { author } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  const holder = typeof author === 'string' ? author : (author?.name ?? 'its authors')
  return license === 'MIT' ? `Copyright (c) ${holder}\n\n${mit}` : `${license}, by ${holder}`
}
