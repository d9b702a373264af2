import type { Variables } from './section.ts'

/** How many instances may hold a workload at once. Undefined: as many as the cluster takes. */
export interface Limits {
  perTeam: number | undefined
  perEvent: number | undefined
  total: number | undefined
}

/** More than a cluster holds. */
const largest = 1_000_000

export function limits(variables: Variables): Limits {
  const limit = (name: string) => variables.integer(name, 1, largest, 'instances')
  return {
    perTeam: limit('OPERATOR_MAX_PER_TEAM'),
    perEvent: limit('OPERATOR_MAX_PER_EVENT'),
    total: limit('OPERATOR_MAX_INSTANCES'),
  }
}

export function hasLimit({ perTeam, perEvent, total }: Limits): boolean {
  return (perTeam ?? perEvent ?? total) !== undefined
}
