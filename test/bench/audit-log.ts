import { randomUUID } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { waitUntil } from '../../local/process/wait.ts'
import type { BareClient } from './bare-client.ts'

/** One answered call in the API server's audit log. */
export interface AuditedCall {
  userAgent: string
  verb: string
  /** Includes the subresource: `challengeinstances/status`. */
  resource: string
  namespace: string
  name: string
  code: number
  /** When it was answered, in epoch milliseconds by the clock of the API server. */
  at: number
}

interface AuditEvent {
  stage: string
  stageTimestamp: string
  userAgent?: string
  verb: string
  requestURI: string
  objectRef?: { resource?: string; subresource?: string; namespace?: string; name?: string }
  responseStatus?: { code?: number }
}

export interface AuditLog {
  /** Waits until every answered call is written. @returns the length of the log */
  mark(signal: AbortSignal): Promise<number>
  /** The calls between two marks. A watch is recorded when it ends. */
  calls(from: number, to: number): Promise<AuditedCall[]>
}

const writtenMs = 60_000

export function openAuditLog(path: string, client: BareClient): AuditLog {
  const linesBetween = (start: number, end: number) =>
    createInterface({ input: createReadStream(path, { start, end: end - 1 }), crlfDelay: Infinity })
  const size = async () => (await stat(path)).size

  return {
    async mark(signal) {
      const marker = randomUUID()
      const from = await size()
      await client.call('GET', `/version?marker=${marker}`, undefined, signal)
      let end = from
      const written = async () => {
        end = await size()
        if (end === from) return false
        for await (const line of linesBetween(from, end)) if (line.includes(marker)) return true
        return false
      }
      await waitUntil('the audit log to be written', writtenMs, written, signal)
      return end
    },
    async calls(from, to) {
      const found: AuditedCall[] = []
      if (from === to) return found
      for await (const line of linesBetween(from, to)) {
        const event = parsed(line)
        if (event?.stage === 'ResponseComplete') found.push(callOf(event))
      }
      return found
    },
  }
}

/** Returns undefined for an incomplete line, which a mark may cut. */
function parsed(line: string): AuditEvent | undefined {
  try {
    return JSON.parse(line) as AuditEvent
  } catch {
    return undefined
  }
}

function callOf(event: AuditEvent): AuditedCall {
  const { userAgent = '', verb, requestURI, objectRef, responseStatus, stageTimestamp } = event
  const {
    resource = new URL(requestURI, 'https://api').pathname,
    subresource,
    namespace = '',
    name = '',
  } = objectRef ?? {}
  return {
    userAgent,
    verb,
    resource: subresource === undefined ? resource : `${resource}/${subresource}`,
    namespace,
    name,
    code: responseStatus?.code ?? 0,
    at: Date.parse(stageTimestamp),
  }
}
