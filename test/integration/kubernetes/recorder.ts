import type { KubernetesObject } from '../../../lib/crd/objects.ts'
import type { WatchHandlers } from '../../../lib/kubernetes/cluster.ts'
import type { Log } from '../../../lib/telemetry/log.ts'

/** Keeps the calls of a watch's handlers and the lines of its log. */
export interface Recorder {
  handlers: WatchHandlers<KubernetesObject>
  log: Log
  /** The calls in order: `+name`, `-name`, `listed`. */
  reported: string[]
  objects: KubernetesObject[]
  logged: { level: string; message: string; fields: Record<string, unknown> }[]
  /** The objects that exist according to the calls: name → uid. */
  present: Map<string, string>
  /** Resolves once `condition` holds. It is checked after each call and each line. */
  until(what: string, condition: () => boolean, ms?: number): Promise<void>
}

export function createRecorder(): Recorder {
  const waiting = new Set<() => void>()
  const checkAll = () => {
    for (const each of waiting) each()
  }
  const logger =
    (level: string) =>
    (message: string, fields: Record<string, unknown> = {}) => {
      recorder.logged.push({ level, message, fields })
      checkAll()
    }
  const recorder: Recorder = {
    reported: [],
    objects: [],
    logged: [],
    present: new Map(),
    log: {
      debug: logger('debug'),
      info: logger('info'),
      warn: logger('warn'),
      error: logger('error'),
      child: () => recorder.log,
    },
    handlers: {
      onObject(object) {
        recorder.reported.push(`+${object.metadata.name}`)
        recorder.objects.push(object)
        recorder.present.set(object.metadata.name, object.metadata.uid)
        checkAll()
      },
      onGone({ metadata }) {
        recorder.reported.push(`-${metadata.name}`)
        if (recorder.present.get(metadata.name) === metadata.uid) recorder.present.delete(metadata.name)
        checkAll()
      },
      onListed() {
        recorder.reported.push('listed')
        checkAll()
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
        const log = recorder.logged.map(
          ({ level, message, fields }) => `${level} ${message} ${JSON.stringify(fields)}`,
        )
        reject(
          new Error(
            `not in ${ms} ms: ${what}\n${recorder.reported.slice(-20).join(' ')}\n${log.slice(-10).join('\n')}`,
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
