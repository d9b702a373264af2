import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { ProcessorShare } from './lambda-share.ts'

/** A window of the bundled watch-forwarder in a process of its own, with the share of a processor of its memory. */
export interface Window {
  /** Resolves when its log has a line with this message. */
  said(message: string): Promise<Record<string, unknown>>
  /** Every line of its log, with the time of its arrival. */
  readonly lines: readonly { at: number; line: Record<string, unknown> }[]
  readonly begunAt: number
  readonly pid: number
  readonly ended: Promise<void>
  kill(): Promise<void>
}

export interface WindowStart {
  files: readonly string[]
  remainingMs: number
  env: Record<string, string>
  share: ProcessorShare | undefined
}

export function beginWindow({ files, remainingMs, env, share }: WindowStart): Window {
  const program = [process.execPath, ...files, String(remainingMs)]
  const [command = '', ...args] = share ? ['/bin/sh', ...share.run(program)] : program
  const child: ChildProcess = spawn(command, args, { env, stdio: ['ignore', 'pipe', 'inherit'] })
  const lines: { at: number; line: Record<string, unknown> }[] = []
  const waiting: { message: string; resolve(line: Record<string, unknown>): void }[] = []
  if (child.stdout)
    createInterface(child.stdout).on('line', text => {
      const line = parsed(text)
      lines.push({ at: Date.now(), line })
      for (const each of waiting.filter(({ message }) => message === line.message)) each.resolve(line)
    })
  const ended = once(child, 'exit').then(() => {})
  return {
    lines,
    begunAt: Date.now(),
    pid: child.pid ?? 0,
    ended,
    said(message) {
      const known = lines.find(({ line }) => line.message === message)
      if (known) return Promise.resolve(known.line)
      return new Promise((resolve, reject) => {
        waiting.push({ message, resolve })
        void ended.then(() => reject(new Error(`the window ended before it said: ${message}`)))
      })
    },
    async kill() {
      child.kill('SIGKILL')
      if (child.exitCode === null && child.signalCode === null) await ended
    },
  }
}

function parsed(text: string): Record<string, unknown> {
  try {
    return JSON.parse(text)
  } catch {
    return { message: text }
  }
}
