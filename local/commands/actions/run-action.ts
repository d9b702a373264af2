import type { WatchedNamespaces } from '../../../lib/crd/namespaces.ts'
import type { Cluster } from '../../../lib/kubernetes/cluster.ts'
import type { Action, Result } from './action.ts'
import { carryOut } from './carry-out.ts'
import { plannedLine, planSummary, resultLine, resultSummary } from './print-plan.ts'
import { countProgress } from './progress.ts'
import { readSelected } from './read-selected.ts'
import { namesWithoutInstance, type Selection } from './selection.ts'

type Print = (line: string) => void

/** Up to this many instances each have a line when they are done. Of more, those that failed have one. */
const linesForEach = 20

export interface ActionRun {
  cluster: Cluster
  namespaces: WatchedNamespaces
  selection: Selection
  /** Carries the action out for more than one instance. */
  yes: boolean
  /** Carries it out for none. */
  dryRun: boolean
  print: Print
  /** The time of the API server, in epoch milliseconds. It is asked for after the instances were read. */
  now(): number
}

/**
 * Reads the selected instances and carries an action out. More than one is a dry run without `yes`.
 * @param finish is called after it with what was done; it returns further lines to print
 * @returns the exit code: 1 if a name is unknown, nothing was selected, or an instance failed
 */
export async function runAction(
  run: ActionRun,
  actionAt: (now: number) => Action,
  finish: (results: readonly Result[]) => Promise<string[]>,
  signal: AbortSignal,
): Promise<number> {
  const { cluster, namespaces, selection, print } = run
  const selected = await readSelected(cluster, namespaces, selection, signal)
  const missing = namesWithoutInstance(selected, selection.names)
  if (missing.length > 0) print(missingSentence(missing, selection))
  else if (selected.length === 0) print('No instance fits the selection.')
  if (selected.length === 0) return 1
  const action = actionAt(run.now())
  if (run.dryRun || (selected.length > 1 && !run.yes)) {
    const steps = selected.map(each => action.step(each))
    for (const [index, step] of steps.entries()) {
      const instance = selected[index]
      if (instance) print(plannedLine(instance, action, step))
    }
    print(planSummary(steps, action))
    return missing.length === 0 ? 0 : 1
  }
  const progress = countProgress({ total: selected.length, print, now: Date.now })
  const onResult = (result: Result) => {
    if (selected.length <= linesForEach) print(resultLine(result, action))
    else progress(result.outcome === 'failed')
  }
  const results = await carryOut(cluster, action, selected, { onResult }, signal)
  if (selected.length > linesForEach)
    for (const each of results) if (each.outcome === 'failed') print(resultLine(each, action))
  for (const line of await afterwards(results, finish, signal)) print(line)
  if (selected.length > 1) print(resultSummary(results, action))
  return missing.length > 0 || results.some(({ outcome }) => outcome === 'failed') ? 1 : 0
}

/** An interruption takes the further lines, and not the summary of what was done. */
async function afterwards(
  results: readonly Result[],
  finish: (results: readonly Result[]) => Promise<string[]>,
  signal: AbortSignal,
): Promise<string[]> {
  try {
    return signal.aborted ? [] : await finish(results)
  } catch (thrown) {
    if (signal.aborted) return []
    throw thrown
  }
}

/** With a selector beside it, a name may be that of an instance that does not fit. */
function missingSentence(missing: readonly string[], selection: Selection): string {
  const { names: _, ...filters } = selection
  const narrowed = Object.values(filters).some(each => each !== undefined)
  const called = `No instance is called ${missing.join(' or ')}`
  return narrowed ? `${called} and fits the other options.` : `${called}.`
}
