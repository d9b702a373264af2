import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { configurationReference } from '../../lib/config/reference.ts'
import { annotationFamilies } from '../../lib/desired/exposure/annotations.ts'
import { type Reason, reasons } from '../../lib/reasons.ts'
import { lookedFor, lookedForIfServed } from '../../lib/reconcile/namespace/contents.ts'
import { logFields } from '../../lib/telemetry/log-fields.ts'
import { type MetricDefinition, metrics } from '../../lib/telemetry/metrics.ts'
import { abilities, variableReference } from '../e2e/support/variables.ts'

const root = resolve(import.meta.dirname, '../..')
const pages = ['README.md', 'CHANGELOG.md', 'manifests/README.md', ...files('docs', '.md')]
const text = (page: string) => readFileSync(join(root, page), 'utf8')

/** A wider row of a table does not fit beside an editor's sidebar; its content belongs into a list. */
const widestRow = 110

describe('the documentation', () => {
  it('lists every variable of the configuration in the README, in order, with default and meaning', () => {
    const list = between(text('README.md'), 'configuration')
    const expected = configurationReference.map(({ name, default: value, meaning }) => {
      const standard = value === undefined ? '' : ` Default: \`${value}\`.`
      return `\`${name}\`: ${meaning}${standard}`
    })
    expect(items(list)).toEqual(expected)
  })

  it('lists every variable and ability of the end-to-end suite in e2e.md, in order', () => {
    const page = text('docs/e2e.md')
    const variables = variableReference.map(variable => {
      const standard = 'default' in variable ? ` Default: \`${variable.default}\`.` : ''
      return `\`${variable.name}\`: ${variable.meaning}.${standard}`
    })
    expect(items(between(page, 'e2e-variables'))).toEqual(variables)
    const lacks = Object.entries(abilities).map(([name, reason]) => `\`${name}\`: ${reason}.`)
    expect(items(between(page, 'e2e-abilities'))).toEqual(lacks)
  })

  it('explains every reason once in operations.md, with its recovery', () => {
    const [, section = ''] = text('docs/operations.md').split('## What each reason means')
    const [list = ''] = section.split('\n## ')
    const explained = items(list).flatMap(item => item.match(/^`\w+` \(_[^_]+_\)(?=: .)/)?.[0] ?? [])
    const expected = (Object.keys(reasons) as Reason[]).map(
      reason => `\`${reason}\` (_${reasons[reason].recovery.replace('-', ' ')}_)`,
    )
    expect(explained.toSorted()).toEqual(expected.toSorted())
  })

  it('names every kind that keeps a namespace in isolation.md', () => {
    const [, rest = ''] = text('docs/isolation.md').split('if it is of one of these kinds:\n\n')
    const [list = ''] = rest.split('\n\n')
    const named = [...list.matchAll(/[A-Z]\w+/g)].map(([kind]) => kind)
    const kinds = [...lookedFor.map(({ kind }) => kind), ...lookedForIfServed]
    expect(named.toSorted()).toEqual(kinds.toSorted())
  })

  it('lists every annotation that a template may set in exposure.md, by family', () => {
    const expected = annotationFamilies.map(({ prefix, types, names }) => {
      const listed = (words: readonly string[]) => words.map(word => `\`${word}\``).join(', ')
      return `\`${prefix}\` (${listed(types)}): ${listed(names)}.`
    })
    expect(items(between(text('docs/exposure.md'), 'annotations'))).toEqual(expected)
  })

  it('says in exposure.md what to do about every reason of an exposure', () => {
    const [, section = ''] = text('docs/exposure.md').split('## When it does not work')
    const told = [...section.matchAll(/^\| `(\w+)`/gm)].map(match => match[1])
    const [, list = ''] = text('docs/operations.md').split('### Exposure')
    const ofExposure = items(list.split('\n### ')[0] ?? '').map(item => item.match(/^`(\w+)`/)?.[1])
    expect(ofExposure.length).toBeGreaterThan(3)
    expect(told).toEqual(expect.arrayContaining(ofExposure))
    expect(told.filter(reason => !(`${reason}` in reasons))).toEqual([])
  })

  it('lists every metric in operations.md', () => {
    const [, section = ''] = text('docs/operations.md').split('## Metrics and logs')
    const [, list = ''] = section.split('Metrics are')
    const expected = Object.entries<MetricDefinition>(metrics).map(([name, definition]) => {
      const dimensions = Object.keys(definition.dimensions).map(each => ` by ${each}`)
      return `\`${name}\` (${definition.unit}${dimensions.join('')}): ${definition.sentence}`
    })
    expect(items(list.split('\n\n###')[0] ?? '')).toEqual(expected)
  })

  it('explains the fields of a pass as the list of all fields does', () => {
    const [, section = ''] = text('docs/operations.md').split('Every line of a pass has these fields:')
    const listed = items(section.split('\n\nThe first five')[0] ?? '')
    expect(listed.length).toBeGreaterThan(5)
    const expected = listed.map(item => {
      const name = item.match(/^`(\w+)`/)?.[1] as keyof typeof logFields
      return `\`${name}\`: ${logFields[name]}`
    })
    expect(listed).toEqual(expected)
  })

  it('explains only log lines that exist', () => {
    const code = ['lib', 'functions'].flatMap(folder => files(folder, '.ts')).map(text)
    const [, section = ''] = text('docs/operations.md').split('## Metrics and logs')
    const [, list = ''] = (section.split('Metrics are')[0] ?? '').split('What a line says:')
    const lines = items(list).flatMap(item => [...(item.split(': ')[0] ?? '').matchAll(/`([^`]+)`/g)])
    expect(lines.length).toBeGreaterThan(5)
    const unknown = lines
      .map(([, line]) => line)
      .filter(line => !code.some(file => file.includes(`'${line}'`)))
    expect(unknown).toEqual([])
  })

  it('lists every command in the README', () => {
    const commands = [...text('local/cli.ts').matchAll(/\.command\('([\w-]+)'\)/g)].map(match => match[1])
    const [, section = ''] = text('README.md').split('## Commands')
    const listed = items(section.split('\n## ')[0] ?? '').map(item => item.match(/^`([\w-]+)` ./)?.[1])
    expect(listed).toEqual(commands)
  })

  it('names only commands and scripts that exist', () => {
    const commands = [...text('local/cli.ts').matchAll(/\.command\('([\w-]+)'\)/g)].map(match => match[1])
    const { scripts } = JSON.parse(text('package.json')) as { scripts: Record<string, string> }
    const unknown = pages.flatMap(page => [
      ...wordsAfter('npx challenge-operator ', text(page)).filter(word => !commands.includes(word)),
      ...wordsAfter('npm run ', text(page)).filter(word => !(word in scripts)),
    ])
    expect(unknown).toEqual([])
  })

  it('has links that lead to a page and a heading', () => {
    const links = pages.flatMap(page =>
      [...text(page).matchAll(/\]\(([^)\s]+)\)/g)].map(match => ({ page, to: match[1] ?? '' })),
    )
    const own = links.filter(({ to }) => !to.startsWith('http'))
    expect(own.length).toBeGreaterThan(10)
    expect(own.filter(({ page, to }) => !leadsSomewhere(page, to))).toEqual([])
  })

  it('names every folder of lib/ among the rooms', () => {
    const [, section = ''] = text('docs/architecture.md').split('\n## Rooms\n')
    const entries = readdirSync(join(root, 'lib'), { recursive: true, withFileTypes: true })
    const folders = entries
      .filter(each => each.isDirectory())
      .map(each => `${relative(root, join(each.parentPath, each.name))}/`)
    expect(folders.filter(folder => !section.split('\n## ')[0]?.includes(`\`${folder}\``))).toEqual([])
  })

  it('names only files and folders that exist', () => {
    const named = /`((?:lib|functions|local|manifests|test|tools|docs)\/[\w./-]*)`/g
    const missing = pages.flatMap(page =>
      [...text(page).matchAll(named)]
        .filter(([, path = '']) => !existsSync(join(root, path)))
        .map(([, path]) => `${page}: ${path}`),
    )
    expect(missing).toEqual([])
  })

  it(`has no table row wider than ${widestRow} characters`, () => {
    const wide = pages.flatMap(page =>
      text(page)
        .split('\n')
        .filter(line => line.startsWith('|') && line.length > widestRow)
        .map(line => `${page}: ${line}`),
    )
    expect(wide).toEqual([])
  })

  it('lists every decision', () => {
    const notes = readdirSync(join(root, 'docs/decisions')).filter(file => /^\d{4}-/.test(file))
    const list = text('docs/decisions/README.md')
    expect(notes.filter(file => !list.includes(`(${file})`))).toEqual([])
  })
})

/** The part of a page between `<!-- mark: … -->` and `<!-- /mark -->`. */
function between(page: string, mark: string): string {
  const [, rest = ''] = page.split(`<!-- ${mark}: `)
  return rest.split(`<!-- /${mark} -->`)[0] ?? ''
}

/** The items of the Markdown lists in a text, each on one line, without their bullet. */
function items(markdownText: string): string[] {
  const found = markdownText.matchAll(/^- (.+(?:\n {2}.+)*)/gm)
  return [...found].map(([, item = '']) => item.replace(/\n {2}/g, ' '))
}

/** The word that follows each occurrence of `before`. */
function wordsAfter(before: string, page: string): string[] {
  return page
    .split(before)
    .slice(1)
    .flatMap(rest => rest.match(/^[\w:-]+/)?.[0] ?? [])
}

function files(folder: string, ending: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter(file => file.endsWith(ending))
    .map(file => join(folder, file))
}

function leadsSomewhere(page: string, to: string): boolean {
  const [path = '', anchor] = to.split('#')
  const target = path === '' ? page : join(dirname(page), path)
  if (!existsSync(join(root, target))) return false
  return anchor === undefined || headings(target).includes(anchor)
}

/** As GitHub makes anchors of them. */
function headings(page: string): string[] {
  return [...text(page).matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\w\- ]/g, '')
      .replaceAll(' ', '-'),
  )
}
