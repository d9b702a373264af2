import { runLimited } from '../../../lib/concurrency.ts'
import type { ChallengeInstance } from '../../../lib/crd/challenge-instance.ts'
import { apiVersion } from '../../../lib/crd/group.ts'
import type { Stored } from '../../../lib/crd/objects.ts'
import type { Cluster } from '../../../lib/kubernetes/cluster.ts'
import { isSelected, type Selection, selectsEverything, shownPhase } from '../actions/selection.ts'
import { type Letter, subjectOf } from './letter.ts'

/** Instances that are looked up at the same time. */
const sideBySide = 8

/** A letter with what is there now. */
export interface Subject {
  letter: Letter
  /** The instance that the letter is about; undefined: it is gone, or the letter is about none. */
  instance: Stored<ChallengeInstance> | undefined
  /** Another instance has the name now. */
  replaced: boolean
}

/** Looks up the instances that letters are about, each once. */
export async function subjectsOf(
  letters: readonly Letter[],
  cluster: Cluster,
  signal: AbortSignal,
): Promise<Subject[]> {
  const names = new Set(letters.filter(({ about }) => about.kind === 'instance').map(subjectOf))
  const found = await runLimited([...names], sideBySide, async key => {
    const [namespace = '', name = ''] = key.split('/')
    const reference = { apiVersion, kind: 'ChallengeInstance', namespace, name }
    return [key, await cluster.get<ChallengeInstance>(reference, signal)] as const
  })
  const byName = new Map(found)
  return letters.map(letter => {
    const existing = byName.get(subjectOf(letter))
    const isIt = letter.about.kind === 'instance' && existing?.metadata.uid === letter.about.key.uid
    return { letter, instance: isIt ? existing : undefined, replaced: existing !== undefined && !isIt }
  })
}

/**
 * Returns whether a letter is selected: by its id, or by the instance that it is about. One that is gone has only its name
 * left to be selected by.
 */
export function isLetterSelected({ letter, instance }: Subject, selection: Selection): boolean {
  const { names, ...filters } = selection
  if (names.includes(letter.id)) return true
  if (instance !== undefined) return isSelected(instance, selection)
  if (!selectsEverything({ names: [], ...filters })) return false
  const subject = subjectOf(letter)
  return names.length === 0 || names.some(name => name === subject || name === subject.split('/')[1])
}

/** What is there now, in words. */
export function stateOf({ letter, instance, replaced }: Subject): string {
  if (letter.about.kind !== 'instance') return '-'
  if (instance === undefined) return replaced ? 'gone, another has its name' : 'gone'
  const { reason } = instance.status ?? {}
  const phase = shownPhase(instance) ?? 'New'
  return reason === undefined ? phase : `${phase} ${reason}`
}
