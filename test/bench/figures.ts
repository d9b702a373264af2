import type { Placement } from '../../lib/crd/challenge-template.ts'

/** One measured number, with an aim if the design names one. */
export interface Figure {
  name: string
  value: number
  unit: string
  aim?: { bound: 'at most' | 'at least'; value: number }
}

/** A scenario's figures, and its calls for each instance by function, verb and kind. */
export interface Result {
  scenario: string
  figures: Figure[]
  calls?: Record<string, number>
}

/** Names the placement in the title of a scenario. */
export function inPlacement(result: Result, placement: Placement): Result {
  return { ...result, scenario: `${result.scenario}, placement ${placement}` }
}

export function metAim({ value, aim }: Figure): boolean | undefined {
  if (aim === undefined) return undefined
  return aim.bound === 'at most' ? value <= aim.value : value >= aim.value
}

/** A namespace's default-deny policy costs two calls in five minutes, which belong to no instance. */
const sharedCalls = 0.1

/** @param most aim for the calls of one instance; undefined: no aim */
export function callsFigure(value: number, most?: number): Figure {
  const figure = { name: 'API calls for each', value, unit: '' }
  return most === undefined ? figure : { ...figure, aim: { bound: 'at most', value: most + sharedCalls } }
}

/** @param most aim for the events of one instance; undefined: no aim */
export function kubernetesEventsFigure(value: number, most?: number): Figure {
  const figure = { name: 'Kubernetes Events for each, beside the calls', value, unit: '' }
  return most === undefined ? figure : { ...figure, aim: { bound: 'at most', value: most } }
}

/** Rounds to four significant digits; further digits are noise. */
export function rounded(value: number): number {
  return Number(value.toPrecision(4))
}

export function tableOf({ scenario, figures, calls = {} }: Result): string {
  const rows = figures.map(figure => {
    const met = metAim(figure)
    const verdict = met === undefined ? '' : met ? 'ok' : 'MISS'
    const aim = figure.aim ? `${figure.aim.bound} ${rounded(figure.aim.value)}` : ''
    return [figure.name, `${rounded(figure.value)} ${figure.unit}`.trim(), aim, verdict]
  })
  const called = Object.entries(calls).map(([call, each]) => [call, `${rounded(each)} each`, '', ''])
  return [`\n${scenario}`, ...aligned([...rows, ...called])].join('\n')
}

function aligned(rows: string[][]): string[] {
  const widths = [0, 1, 2, 3].map(column => Math.max(...rows.map(row => row[column]?.length ?? 0)))
  return rows.map(row =>
    `  ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')}`.trimEnd(),
  )
}
