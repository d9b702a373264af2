import { spawn } from 'node:child_process'
import { closeSync, openSync, statSync } from 'node:fs'
import { open } from 'node:fs/promises'
import type { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Environment } from '../../lib/config/section.ts'

export interface ChildProcessOptions {
  /** What errors call it. */
  name: string
  command: string
  args: readonly string[]
  env: Environment
  /** Everything it says is appended here; one that has grown beyond 16 MiB is begun anew at a start. */
  logFile: string
  directory: string
  /** Asks it to end; Postgres wants `SIGINT`. */
  stopSignal?: 'SIGTERM' | 'SIGINT'
  /** How long it may take to end before it is killed. */
  graceMs?: number
  user?: { uid: number; gid: number }
}

export interface ChildProcess {
  readonly pid: number
  /** Rejects with an error naming the part, its log file and its last lines, if it ends without having been stopped. */
  readonly died: Promise<never>
  stop(): Promise<void>
  /** As a crash would end it. */
  kill(): Promise<void>
}

/**
 * `exec` makes the shell's process id the program's. The reader behind it sees the end of our pipe when our process is
 * gone, however it went, and then ends the program; a line on the pipe says that there is nothing left to do.
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
 * Starts a program that ends with us, even if we are killed. It gets a session of its own, so that Ctrl-C in the
 * terminal reaches us only and its end can be orderly.
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
      `${name} ended by itself (${how}); its log is ${logFile} and ends:\n${await tail(logFile)}`,
    )
  })
  // Whoever waits for something else must not be ended by a death that nobody asked about.
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
