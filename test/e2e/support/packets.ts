import { expect } from 'vitest'
import { limited } from '../../../lib/concurrency.ts'
import { waitUntil } from '../../../local/process/wait.ts'
import type { Execute, PodContainer } from './execute.ts'
import type { Address } from './variables.ts'

/** The answer to a packet: a connection, or the word that agnhost prints. */
export type Answer = 'open' | 'TIMEOUT' | 'REFUSED' | 'DNS' | 'UNKNOWN' | 'OTHER'

/** Time in which a connection that is allowed comes about. It is tried again, so a busy node may miss it now and then. */
const connectSeconds = 2

/** Each command takes some of the memory that the container may use, about 30 MiB. */
const commandsAtOnce = 3

/** Time in which a CNI takes up a change of a policy. The slow ones take some seconds. */
const enforcedMs = 60_000

/** A policy that lets packets through is noticed by one of several tries. */
const triesOfClosed = 2

export interface Target extends Address {
  protocol?: 'tcp' | 'udp'
}

/** Sends packets from containers of agnhost, and reads files in them. */
export function openPackets(executeAtOnce: Execute, signal: AbortSignal) {
  const limits = new Map<string, ReturnType<typeof limited>>()
  const execute: Execute = (from, command) => {
    const key = `${from.namespace}/${from.pod}`
    const limit = limits.get(key) ?? limited(commandsAtOnce)
    limits.set(key, limit)
    return limit(() => executeAtOnce(from, command))
  }

  /** Connects by TCP, or sends a datagram to agnhost's `netexec` and waits for its answer. */
  async function connect(from: PodContainer, target: Target): Promise<Answer> {
    const { protocol = 'tcp' } = target
    const options = [`--timeout=${connectSeconds}s`, `--protocol=${protocol}`]
    const { code, output } = await execute(from, ['/agnhost', 'connect', ...options, written(target)])
    if (code === 0) return 'open'
    const [word] = output.match(/TIMEOUT|REFUSED|DNS|UNKNOWN|OTHER/) ?? []
    if (word === undefined)
      throw new Error(`agnhost connect ${written(target)} ended with ${code}: ${output}`)
    return word as Answer
  }

  /** Waits until the connection comes about. */
  async function expectOpen(from: PodContainer, target: Target): Promise<void> {
    let last: Answer | undefined
    const isOpen = async () => {
      last = await connect(from, target)
      return last === 'open'
    }
    await until(`a connection ${between(from, target)}`, isOpen, () => last)
  }

  /**
   * Waits until no connection comes about, and expects that none does from then on. Only a closed way counts: a name that
   * cannot be resolved shows nothing.
   */
  async function expectClosed(from: PodContainer, target: Target): Promise<void> {
    let last: Answer | undefined
    const isClosed = async () => {
      last = await connect(from, target)
      return last === 'TIMEOUT' || last === 'REFUSED' || last === 'OTHER'
    }
    await until(`the refusal of connections ${between(from, target)}`, isClosed, () => last)
    const further = Array.from({ length: triesOfClosed }, () => connect(from, target))
    for (const answer of await Promise.all(further))
      expect(answer, `a connection ${between(from, target)} came about later`).not.toBe('open')
  }

  async function until(what: string, holds: () => Promise<boolean>, last: () => Answer | undefined) {
    await waitUntil(what, enforcedMs, holds, signal).catch(cause => {
      throw new Error(`${cause.message}; the last answer was ${last()}: ${cause.cause}`, { cause })
    })
  }

  /** Returns the content of a file in a container. @throws Error if there is none that can be read */
  async function readFile(from: PodContainer, path: string): Promise<string> {
    const { code, output } = await execute(from, ['/agnhost', 'mounttest', `--file_content=${path}`])
    const intro = `content of file "${path}": `
    if (code !== 0 || !output.startsWith(intro)) throw new Error(`${path} cannot be read: ${output}`)
    return output.slice(intro.length).replace(/\n$/, '')
  }

  /** Returns the variables with which a container's first process was started. */
  async function environmentOf(from: PodContainer): Promise<Record<string, string>> {
    const entries = (await readFile(from, '/proc/1/environ')).split('\0').filter(each => each.includes('='))
    return Object.fromEntries(
      entries.map(each => [each.slice(0, each.indexOf('=')), each.slice(each.indexOf('=') + 1)]),
    )
  }

  return { connect, expectOpen, expectClosed, readFile, environmentOf }
}

export type Packets = ReturnType<typeof openPackets>

function written({ host, port }: Address): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

function between(from: PodContainer, target: Target): string {
  return `from ${from.namespace}/${from.pod} to ${written(target)} (${target.protocol ?? 'tcp'})`
}
