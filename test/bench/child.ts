import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Answer, Question } from './child-side.ts'

/** A part of the bench in a process of its own, so that its processor time and memory can be measured. */
export interface Child {
  readonly pid: number
  /** @throws Error if the child's handler threw, or if the child ended */
  ask<T>(name: string, argument?: unknown): Promise<T>
  /** Asks the process to end, and kills it after ten seconds. */
  stop(): Promise<void>
}

const graceMs = 10_000

export interface ChildOptions {
  nodeOptions?: readonly string[]
  /** Variables besides those of the bench's own environment. */
  env?: Record<string, string>
}

/** @param file a file of this folder, or a path; it calls `serve` */
export function startChild(file: string, { nodeOptions = [], env = {} }: ChildOptions = {}): Child {
  const child = fork(resolve(import.meta.dirname, file), {
    execArgv: [...nodeOptions],
    env: { ...process.env, ...env },
    serialization: 'advanced',
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  const pending = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>()
  let asked = 0
  child.on('message', ({ id, value, error }: Answer) => {
    const question = pending.get(id)
    pending.delete(id)
    if (error === undefined) question?.resolve(value)
    else question?.reject(new Error(`${file}: ${error}`))
  })
  const ended = once(child, 'exit').then(([code, signal]) => {
    for (const { reject } of pending.values()) reject(new Error(`${file} ended (${code ?? signal})`))
    pending.clear()
  })
  return {
    pid: child.pid ?? 0,
    ask<T>(name: string, argument?: unknown) {
      return new Promise<T>((resolve, reject) => {
        if (hasEnded(child)) return reject(new Error(`${file} has ended`))
        asked += 1
        pending.set(asked, { resolve: resolve as (value: unknown) => void, reject })
        child.send({ id: asked, name, argument } satisfies Question)
      })
    },
    async stop() {
      // The child ends when its channel closes. This also happens if the bench is killed.
      if (child.connected) child.disconnect()
      const grace = new AbortController()
      const late = sleep(graceMs, 'late', { signal: grace.signal }).catch(() => 'ended')
      if (!hasEnded(child) && (await Promise.race([ended, late])) === 'late') child.kill('SIGKILL')
      grace.abort()
      await ended
    },
  }
}

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null
}
