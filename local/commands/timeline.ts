import { operatorSection } from '../../lib/config/operator.ts'
import { type Environment, readConfig } from '../../lib/config/section.ts'
import type { WatchedNamespaces } from '../../lib/crd/namespaces.ts'
import { openDatabase } from '../../lib/store/database.ts'
import { readTimelines } from '../../lib/store/timeline.ts'
import { externalDatabase } from '../parts/external-parts.ts'
import { timelineLines } from './timeline/timeline-lines.ts'

export interface TimelineOptions {
  /** `name` in the watched namespaces, or `namespace/name`. */
  name: string
  output: 'text' | 'json'
}

/**
 * `challenge-operator timeline`: prints what happened to the instances that have, or had, a name, from the database alone.
 * @returns the exit code, 1 if nothing is known of the name
 */
export async function runTimeline(
  env: Environment,
  options: TimelineOptions,
  print: (line: string) => void,
  signal: AbortSignal,
): Promise<number> {
  const { operator } = readConfig(env, { operator: operatorSection })
  const query = queryOf(options.name, operator.namespaces)
  const db = openDatabase({
    url: externalDatabase(env),
    max: 1,
    applicationName: 'challenge-operator timeline',
  })
  try {
    const timelines = await readTimelines(db, query, signal)
    if (options.output === 'json') print(JSON.stringify(timelines, null, 2))
    else if (timelines.length === 0) print(nothingKnown(query, operator.historyDays))
    else for (const line of timelineLines(timelines)) print(line)
    return timelines.length === 0 ? 1 : 0
  } finally {
    await db.destroy()
  }
}

function queryOf(name: string, watched: WatchedNamespaces): { name: string; namespaces: WatchedNamespaces } {
  const slash = name.indexOf('/')
  if (slash < 0) return { name, namespaces: watched }
  return { name: name.slice(slash + 1), namespaces: [name.slice(0, slash)] }
}

function nothingKnown(
  { name, namespaces }: { name: string; namespaces: WatchedNamespaces },
  days: number,
): string {
  const where = namespaces === '*' ? 'in any namespace' : `in ${namespaces.join(', ')}`
  return (
    `Nothing is known of an instance called ${name} ${where}. An instance is known from its first pass on. ` +
    `Its history is deleted about ${days} days after its end (OPERATOR_HISTORY_DAYS).`
  )
}
