import type { ChallengeInstance } from '../../lib/crd/challenge-instance.ts'
import type { Stored } from '../../lib/crd/objects.ts'

/** The fields of an instance whose change is printed. */
interface Shown {
  phase: string
  reason: string | undefined
  /** Reason of `Synced=False`; undefined while the row is written. */
  unsynced: string | undefined
}

export interface Transitions {
  onObject(instance: Stored<ChallengeInstance>): void
  onGone(key: { namespace: string; name: string }): void
  /** Resolves when every named instance is Ready and its row is written. */
  allReady(names: readonly string[], signal: AbortSignal): Promise<void>
  /** One line for each named instance that is not Ready, with the reason. */
  missing(names: readonly string[]): string[]
  summary(): string
}

/** Prints one line for each transition of an instance. @param print gets a line without a newline */
export function showTransitions(print: (line: string) => void, now: () => number): Transitions {
  const shown = new Map<string, Shown>()
  const messages = new Map<string, string>()
  const waiting = new Set<() => void>()
  const started = now()
  let transitions = 0

  function line(key: string, text: string): void {
    transitions += 1
    const time = new Date(now()).toISOString().slice(11, 23)
    print(`${time}  ${key.padEnd(36)}  ${text}`)
    for (const check of waiting) check()
  }

  const isReady = (key: string) => {
    const current = shown.get(key)
    return current?.phase === 'Ready' && current.unsynced === undefined
  }

  return {
    onObject(instance) {
      const key = keyOf(instance.metadata)
      const next = shownOf(instance)
      const before = shown.get(key)
      shown.set(key, next)
      messages.set(key, instance.status?.message ?? '')
      if (before && same(before, next)) return
      line(key, describe(before, next, instance))
    },
    onGone(metadata) {
      const key = keyOf(metadata)
      if (!shown.delete(key)) return
      line(key, 'gone')
    },
    allReady(names, signal) {
      return new Promise((resolve, reject) => {
        const check = () => {
          if (!names.every(isReady)) return
          waiting.delete(check)
          resolve()
        }
        waiting.add(check)
        signal.addEventListener('abort', () => reject(signal.reason), { once: true })
        check()
      })
    },
    missing(names) {
      return names
        .filter(name => !isReady(name))
        .map(name => {
          const current = shown.get(name)
          if (current === undefined) return `${name}: does not exist`
          const reason = current.reason ?? current.unsynced
          const detail = [reason, messages.get(name)].filter(Boolean).join(': ')
          return `${name}: ${current.phase}${detail ? ` (${detail})` : ''}`
        })
    },
    summary() {
      const phases = new Map<string, number>()
      for (const { phase } of shown.values()) phases.set(phase, (phases.get(phase) ?? 0) + 1)
      const counts = [...phases].map(([phase, count]) => `${count} ${phase}`).join(', ') || 'none'
      const seconds = Math.round((now() - started) / 1000)
      return `Instances: ${counts}. ${transitions} transitions in ${seconds} s.`
    },
  }
}

function keyOf(metadata: { namespace: string; name: string }): string {
  return `${metadata.namespace}/${metadata.name}`
}

function shownOf({ status, metadata }: ChallengeInstance): Shown {
  const synced = status?.conditions?.find(each => each.type === 'Synced')
  const phase = metadata.deletionTimestamp === undefined ? (status?.phase ?? 'New') : 'Terminating'
  return { phase, reason: status?.reason, unsynced: synced?.status === 'True' ? undefined : synced?.reason }
}

function same(a: Shown, b: Shown): boolean {
  return a.phase === b.phase && a.reason === b.reason && a.unsynced === b.unsynced
}

function describe(before: Shown | undefined, next: Shown, { status }: ChallengeInstance): string {
  const arrow = before && before.phase !== next.phase ? `${before.phase} → ${next.phase}` : next.phase
  const details = [
    next.reason && `${next.reason}: ${status?.message ?? ''}`,
    next.phase === 'Ready' && next.reason === undefined && status?.url,
    next.unsynced && `not in the database: ${next.unsynced}`,
  ].filter(Boolean)
  return [arrow, ...details].join('  ')
}
