import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { ProcessorShare } from './lambda-share.ts'

/** How one invocation went. */
export interface Handled {
  milliseconds: number
  /** Processor time of all threads. */
  processorMs: number
  /** The most that the process has taken. */
  memoryMb: number
  failure?: string
}

/** A bundled function in a process of its own, which stays for further invocations. */
export interface Sandbox {
  invoke(event: unknown): Promise<Handled>
  /** The lines of its log, parsed. */
  readonly lines: readonly Record<string, unknown>[]
  stop(): Promise<void>
}

/** @param bundle path of the bundle @param env all its variables */
export function openSandbox(
  bundle: string,
  { env, share }: { env: Record<string, string>; share?: ProcessorShare | undefined },
): Sandbox {
  const program = [process.execPath, join(import.meta.dirname, 'function-process.ts'), bundle]
  const [command = '', ...args] = share ? ['/bin/sh', ...share.run(program)] : program
  const child = spawn(command, args, { env, stdio: ['pipe', 'pipe', 'inherit'] })
  const lines: Record<string, unknown>[] = []
  let next = Promise.withResolvers<Handled>()
  createInterface(child.stdout).on('line', text => {
    const line = JSON.parse(text) as Record<string, unknown>
    if ('handled' in line) next.resolve(line.handled as Handled)
    else lines.push(line)
  })
  const ended = once(child, 'exit').then(() => next.reject(new Error('the sandbox ended')))
  next.promise.catch(() => {})
  return {
    lines,
    invoke(event) {
      next = Promise.withResolvers()
      child.stdin.write(`${JSON.stringify(event)}\n`)
      return next.promise
    },
    async stop() {
      child.stdin.end()
      child.kill('SIGKILL')
      await ended
    },
  }
}
