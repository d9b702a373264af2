import { annotations, fieldManager, labels } from '../crd/group.ts'
import type { ConfigMap, Named, ObjectMeta, Stored } from '../crd/objects.ts'
import { parseClock } from './parse.ts'
import { clockData } from './serialise.ts'
import { type ClockState, clockStateName, openClock, stateAfter } from './state.ts'

/** Stands for a ConfigMap that does not exist, in the annotation of the state that follows it. */
const noSource = 'none'

/** Characters of a problem in an annotation. */
const problemLimit = 2_000

/** What to keep after a look at the organiser's ConfigMap. */
export interface TakenUp {
  /** The ConfigMap to write. */
  kept: Named<ConfigMap>
  /** Why the organiser's ConfigMap is not followed. */
  problem: string | undefined
  /** The uid of the organiser's ConfigMap, also of one that is gone; undefined: it was never seen. */
  sourceUid: string | undefined
}

/** Returns the state that a ConfigMap of ours keeps; undefined if somebody has made it unreadable. */
export function keptState(kept: ConfigMap): ClockState | undefined {
  const parsed = parseClock(kept, undefined)
  return 'order' in parsed && parsed.order.credits !== undefined
    ? { ...parsed.order, credits: parsed.order.credits }
    : undefined
}

/** Whether a state was kept after a look at the organiser's ConfigMap as it is. */
export function followsSource(kept: ConfigMap, source: { metadata: ObjectMeta } | undefined): boolean {
  return kept.metadata.annotations?.[annotations.clockSource] === markOf(source)
}

/** Returns why the organiser's ConfigMap was not followed at the last look. */
export function clockProblem(kept: ConfigMap): string | undefined {
  return kept.metadata.annotations?.[annotations.clockProblem]
}

/**
 * Takes up the organiser's ConfigMap. One that is malformed or gone changes nothing that was valid before.
 * @param now epoch milliseconds
 * @returns undefined if there is nothing to write
 */
export function takeUp(
  namespace: string,
  source: Stored<ConfigMap> | undefined,
  kept: Stored<ConfigMap> | undefined,
  now: number,
): TakenUp | undefined {
  const before = kept === undefined ? openClock : keptState(kept)
  const parsed = source && parseClock(source, now)
  const order = parsed && 'order' in parsed ? parsed.order : undefined
  const isLost = before === undefined && order?.credits === undefined
  if (source === undefined && (kept === undefined || isLost)) return undefined
  if (kept && before && followsSource(kept, source)) return undefined
  const problem = problemOf(parsed, { isLost })
  const state = order === undefined ? before : stateAfter(order, before ?? openClock)
  return {
    problem,
    sourceUid: source?.metadata.uid ?? uidOfMark(kept),
    kept: keptConfigMap(namespace, {
      data: state === undefined || isLost ? (kept?.data ?? {}) : clockData(state),
      source,
      problem,
    }),
  }
}

function problemOf(
  parsed: ReturnType<typeof parseClock> | undefined,
  { isLost }: { isLost: boolean },
): string | undefined {
  if (isLost) return `ConfigMap ${clockStateName} cannot be read; write data.credits anew, all of them`
  if (parsed === undefined)
    return 'It was deleted. The last valid state stays; create it again to change that.'
  return 'problems' in parsed
    ? `${parsed.problems.join('; ')}. The last valid state stays.`.slice(0, problemLimit)
    : undefined
}

function keptConfigMap(
  namespace: string,
  {
    data,
    source,
    problem,
  }: { data: Record<string, string>; source: Stored<ConfigMap> | undefined; problem: string | undefined },
): Named<ConfigMap> {
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: {
      name: clockStateName,
      namespace,
      labels: { [labels.managedBy]: fieldManager },
      annotations: {
        [annotations.clockSource]: markOf(source),
        ...(problem === undefined ? {} : { [annotations.clockProblem]: problem }),
      },
    },
    data,
  }
}

function markOf(source: { metadata: ObjectMeta } | undefined): string {
  if (source === undefined) return noSource
  const { uid, resourceVersion } = source.metadata
  return `${uid}/${resourceVersion}`
}

function uidOfMark(kept: ConfigMap | undefined): string | undefined {
  const mark = kept?.metadata.annotations?.[annotations.clockSource]
  return mark?.includes('/') ? mark.split('/')[0] : undefined
}
