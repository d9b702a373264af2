import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { configurationReference, notYet } from '../../lib/config/reference.ts'
import { type Reason, type Recovery, reasons } from '../../lib/reasons.ts'

const root = resolve(import.meta.dirname, '../..')
const pages = ['README.md', 'CHANGELOG.md', ...markdown('docs')]
const text = (page: string) => readFileSync(join(root, page), 'utf8')

/** The words of the column "comes back". */
const comesBack: Record<Recovery, string> = {
  'on-change': 'on change',
  watched: 'watched',
  recheck: 'by itself',
  dated: 'at that date',
  moment: 'by itself, 1 s',
  outage: 'by itself, 2 s to 1 min',
  retry: 'by itself, 1 s to 5 min',
  sweep: 'by the sweep',
  none: '–',
}

describe('does the documentation keep up with the code', () => {
  it('has the README every variable of the configuration, in order, with default and meaning', () => {
    const [, table = ''] = text('README.md').split('configuration-table')
    const rows = table.split('\n').filter(line => line.startsWith('| `'))
    const expected = configurationReference.map(({ name, default: value, meaning }) =>
      [`| \`${name}\``, value === undefined ? '' : `\`${value}\``, `${meaning} |`].join(' | '),
    )
    // Cells are padded for those who read the source.
    const cells = (row: string) => row.split('|').map(cell => cell.trim())
    expect(rows.map(cells)).toEqual(expected.map(cells))
  })

  it('lists every variable without effect in the README', () => {
    const [, section = ''] = text('README.md').split('configuration-table')
    const [, list = ''] = section.split('without effect in this release')
    expect([...list.matchAll(/`(OPERATOR_\w+)`/g)].map(match => match[1])).toEqual([...notYet])
  })

  it('lists every reason once in operations.md, with the way it comes back', () => {
    const [, section = ''] = text('docs/operations.md').split('## What each reason means')
    const [table = ''] = section.split('\n## ')
    const rows = table.split('\n').filter(line => line.startsWith('| `'))
    const cells = rows.map(row => row.split('|').map(cell => cell.trim()))
    const expected = (Object.keys(reasons) as Reason[]).map(reason => [
      `\`${reason}\``,
      comesBack[reasons[reason].recovery],
    ])
    expect(cells.map(([, reason, , , recovery]) => [reason, recovery])).toEqual(expected)
  })

  it('does every link between pages lead to a page and a heading', () => {
    const links = pages.flatMap(page =>
      [...text(page).matchAll(/\]\(([^)\s]+)\)/g)].map(match => ({ page, to: match[1] ?? '' })),
    )
    const own = links.filter(({ to }) => !to.startsWith('http'))
    expect(own.length).toBeGreaterThan(10)
    expect(own.filter(({ page, to }) => !leadsSomewhere(page, to))).toEqual([])
  })

  it('are all decisions in their list', () => {
    const files = readdirSync(join(root, 'docs/decisions')).filter(file => /^\d{4}-/.test(file))
    const list = text('docs/decisions/README.md')
    expect(files.filter(file => !list.includes(`(${file})`))).toEqual([])
  })
})

function markdown(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter(file => file.endsWith('.md'))
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
