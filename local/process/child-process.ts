import { spawn } from 'node:child_process'
import { closeSync, openSync, statSync } from 'node:fs'
import { open } from 'node:fs/promises'
import type { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Environment } from '../../lib/config/section.ts'

export interface ChildProcessOptions {
  /** The name in errors. */
  name: string
  command: string
  args: readonly string[]
  env: Environment
  /** Its output is appended here. A file beyond 16 MiB is emptied when the program starts. */
  logFile: string
  directory: string
  /** The signal that asks it to end. */
  stopSignal?: 'SIGTERM' | 'SIGINT'
  /** Milliseconds that it has to end before it is killed. */
  graceMs?: number
  user?: { uid: number; gid: number }
}

export interface ChildProcess {
  readonly pid: number
  /** Rejects if the program ends on its own, with its name, its log file and the log's last lines. */
  readonly died: Promise<never>
  stop(): Promise<void>
  /** Ends it as a crash would. */
  kill(): Promise<void>
}

/**
 * A shell script that becomes the program by `exec`, which keeps the process id. A reader in the background ends the
 * program when the pipe from this process closes, which happens however this process ends. A line on the pipe tells the
 * reader that the program has ended already.
 */
const watchdog = `
(
  trap '' INT TERM HUP
  if read -r line <&3; then exit; fi
  kill -"$0" $$
  for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30; do
    sleep 0.1
    kill -0 $$ || exit
  done
  kill -KILL $$
) 2>/dev/null >&2 &
exec 3<&-
exec "$@"
`
const longestLog = 16 * 1024 ** 2
const lastBytes = 4_096
const lastLines = 12

/**
 * Starts a program that ends with this process, even if this process is killed. The program gets a session of its own, so
 * that Ctrl-C in the terminal reaches only this process, which then ends its programs in order.
 */
export function startChildProcess(options: ChildProcessOptions): ChildProcess {
  const { name, command, args, logFile, stopSignal = 'SIGTERM', graceMs = 10_000 } = options
  const tooLong = (statSync(logFile, { throwIfNoEntry: false })?.size ?? 0) > longestLog
  const log = openSync(logFile, tooLong ? 'w' : 'a')
  const child = spawn('/bin/sh', ['-c', watchdog, stopSignal.slice(3), command, ...args], {
    cwd: options.directory,
    env: { ...options.env },
    detached: true,
    stdio: ['ignore', log, log, 'pipe'],
    ...options.user,
  })
  closeSync(log)
  const leash = child.stdio[3] as Duplex | undefined
  leash?.on('error', () => {})

  let stopping = false
  const exited = new Promise<string>(resolve => {
    child.once('error', error => resolve(error.message))
    child.once('exit', (code, signal) => {
      leash?.end('ended\n', () => leash.destroy())
      resolve(signal === null ? `exit code ${code}` : `signal ${signal}`)
    })
  })
  const died = exited.then(async how => {
    if (stopping) return new Promise<never>(() => {})
    throw new Error(
      `${name} ended on its own (${how}); its log is ${logFile} and ends:\n${await tail(logFile)}`,
    )
  })
  // Without a handler the rejection would end this process.
  died.catch(() => {})

  const end = async (signal: NodeJS.Signals) => {
    stopping = true
    const grace = new AbortController()
    child.kill(signal)
    const late = sleep(graceMs, 'late', { signal: grace.signal, ref: false }).catch(() => 'ended')
    if ((await Promise.race([exited, late])) === 'late') child.kill('SIGKILL')
    grace.abort()
    await exited
  }
  return { pid: child.pid ?? 0, died, stop: () => end(stopSignal), kill: () => end('SIGKILL') }
}

async function tail(path: string): Promise<string> {
  const file = await open(path)
  try {
    const { size } = await file.stat()
    const { buffer, bytesRead } = await file.read({
      buffer: Buffer.alloc(lastBytes),
      position: Math.max(0, size - lastBytes),
    })
    return buffer.subarray(0, bytesRead).toString().trimEnd().split('\n').slice(-lastLines).join('\n')
  } finally {
    await file.close()
  }
}
