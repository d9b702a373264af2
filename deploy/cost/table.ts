// Writes the table of costs into docs/deploy-aws.md, between its markers: `npx node deploy/cost/table.ts`.
import { readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { costBeside, costOfMonth, total } from './month.ts'
import { prices } from './prices.ts'

const root = resolve(import.meta.dirname, '../..')
const page = join(root, 'docs/deploy-aws.md')
const begin = '<!-- cost: written by deploy/cost/table.ts -->'
const end = '<!-- /cost -->'

/** The sizes of the events in the table. */
const sizes = [0, 500, 5_000]

export function countAlarms(): number {
  const text = readFileSync(join(root, 'deploy/resources/alarms.yml'), 'utf8')
  return text.split('AWS::CloudWatch::Alarm').length - 1
}

/** The table as Markdown, in US dollars. */
export function costTable(): string {
  const months = sizes.map(instances => costOfMonth({ instances, alarms: countAlarms() }))
  const [first = []] = months
  const rows = first.map(({ name }, index) => [name, ...months.map(lines => money(lines[index]?.dollars))])
  const sums = ['**The stack**', ...months.map(lines => `**${money(total(lines))}**`)]
  const beside = costBeside().map(({ name, dollars }) => [name, ...sizes.map(() => money(dollars))])
  return table([
    ['a month, $', 'idle', ...sizes.slice(1).map(size => `event of ${size.toLocaleString('en')}`)],
    ...rows,
    sums,
    ...beside,
  ])
}

/** The page with the present table between its markers. */
export function pageWithTable(text: string): string {
  const [head, rest = ''] = text.split(begin)
  const [, tail = ''] = rest.split(end)
  return `${head}${begin}\n\nList prices of ${prices.region}, ${prices.date}.\n\n${costTable()}\n\n${end}${tail}`
}

function money(dollars = 0): string {
  return dollars.toFixed(2)
}

function table([head = [], ...rows]: string[][]): string {
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map(row => row[column]?.length ?? 0)))
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0))).join(' | ')} |`
  const rule = `| ${widths.map((width, column) => (column === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`)).join(' | ')} |`
  return [line(head), rule, ...rows.map(line)].join('\n')
}

if (process.argv[1] === import.meta.filename) writeFileSync(page, pageWithTable(readFileSync(page, 'utf8')))
