import type { KubernetesObject } from '../../../lib/crd/objects.ts'
import type { WatchHandlers } from '../../../lib/kubernetes/cluster.ts'
import type { Log } from '../../../lib/telemetry/log.ts'

/** Remembers what a watch told and said. */
export interface Recorder {
  handlers: WatchHandlers<KubernetesObject>
  log: Log
  /** `+name`, `-name`, `listed`, in order. */
  told: string[]
  objects: KubernetesObject[]
  said: { level: string; message: string; fields: Record<string, unknown> }[]
  /** What is there, by what was told: name → uid. */
  present: Map<string, string>
  /** Resolves once `condition` holds; looked at after each thing told or said. */
  until(what: string, condition: () => boolean, ms?: number): Promise<void>
}

export function createRecorder(): Recorder {
  const waiting = new Set<() => void>()
  const look = () => {
    for (const each of waiting) each()
  }
  const sayer =
    (level: string) =>
    (message: string, fields: Record<string, unknown> = {}) => {
      recorder.said.push({ level, message, fields })
      look()
    }
  const recorder: Recorder = {
    told: [],
    objects: [],
    said: [],
    present: new Map(),
    log: {
      debug: sayer('debug'),
      info: sayer('info'),
      warn: sayer('warn'),
      error: sayer('error'),
      child: () => recorder.log,
    },
    handlers: {
      onObject(object) {
        recorder.told.push(`+${object.metadata.name}`)
        recorder.objects.push(object)
        recorder.present.set(object.metadata.name ?? '', object.metadata.uid ?? '')
        look()
      },
      onGone({ metadata }) {
        recorder.told.push(`-${metadata.name}`)
        if (recorder.present.get(metadata.name ?? '') === metadata.uid)
          recorder.present.delete(metadata.name ?? '')
        look()
      },
      onListed() {
        recorder.told.push('listed')
        look()
      },
    },
    until(what, condition, ms = 30_000) {
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      const check = () => {
        if (!condition()) return
        clearTimeout(timer)
        waiting.delete(check)
        resolve()
      }
      const timer = setTimeout(() => {
        waiting.delete(check)
        const log = recorder.said.map(
          ({ level, message, fields }) => `${level} ${message} ${JSON.stringify(fields)}`,
        )
        reject(
          new Error(
            `not in ${ms} ms: ${what}\n${recorder.told.slice(-20).join(' ')}\n${log.slice(-10).join('\n')}`,
          ),
        )
      }, ms)
      waiting.add(check)
      check()
      return promise
    },
  }
  return recorder
}
