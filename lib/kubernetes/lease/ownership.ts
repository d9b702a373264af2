import { operatorError } from '../../errors.ts'
import type { Log } from '../../telemetry/log.ts'
import type { KubernetesClient } from '../client/http.ts'
import { leaseAccess } from './access.ts'
import {
  foreignFields,
  foreignMessage,
  forwarderLease,
  isForeign,
  isRunOut,
  type Lease,
  type Writer,
} from './record.ts'
import { type LeaseSummary, summaryOf } from './summary.ts'

/** Whether the cluster belongs to this installation, for functions that remember no more than their sandbox does. */
export interface Ownership {
  /**
   * @param sentAt when a forwarder of this installation that led sent the message that is handled, in RFC 3339; undefined: the
   *   message is another one's
   * @throws OperatorError if the Lease cannot be read
   */
  owns(sentAt: string | undefined, signal: AbortSignal): Promise<boolean>
  /** Whether a forwarder led when the Lease was read last; undefined: it was not read, or may not be. */
  readonly isLed: boolean | undefined
  /** Reads the Lease. @returns undefined if there is none */
  summary(signal: AbortSignal): Promise<LeaseSummary | undefined>
}

export interface OwnershipOptions {
  client: KubernetesClient
  /** The namespace of the forwarder's Lease. */
  namespace: string
  writer: Pick<Writer, 'stack'>
  log: Log
  /** Epoch milliseconds. */
  now: () => number
  /** How long the Lease is not read again, in milliseconds. Default: a minute. */
  trustMs?: number
}

/** A message of a forwarder that led is trusted for so long, and by default what was read, too. */
const minuteMs = 60_000

/**
 * A forwarder of another installation never leads, so a fresh message of a leading one needs no look. For other messages the
 * Lease is read at most once within `trustMs`, and calls at the same time share one read. A role that may not read the Lease
 * makes the installation an owner, with a warning: nothing would work after an upgrade without `kubectl apply`.
 */
export function createOwnership(options: OwnershipOptions): Ownership {
  const { client, namespace, writer, log, now, trustMs = minuteMs } = options
  const access = leaseAccess(client, namespace, forwarderLease)
  let known: { owned: boolean; at: number } | undefined
  let underWay: Promise<boolean> | undefined
  let isLed: boolean | undefined

  async function look(signal: AbortSignal): Promise<boolean> {
    const at = now()
    const lease = await readAllowed(signal)
    isLed = lease === 'forbidden' ? undefined : !isRunOut(lease, now())
    const owned = lease === 'forbidden' || !isForeign(lease, writer)
    if (!owned) log.error(foreignMessage, foreignFields(lease, writer))
    known = { owned, at }
    return owned
  }

  async function readAllowed(signal: AbortSignal): Promise<Lease | 'forbidden' | undefined> {
    try {
      return await access.read(signal)
    } catch (thrown) {
      const error = operatorError(thrown)
      if (error.reason !== 'Forbidden') throw error
      log.warn('the Lease may not be read, so nobody checks whose the cluster is; apply manifests/rbac', {
        error,
      })
      return 'forbidden'
    }
  }

  return {
    get isLed() {
      return isLed
    },
    async owns(sentAt, signal) {
      const at = now()
      if (sentAt !== undefined && at - Date.parse(sentAt) < minuteMs) return true
      if (known !== undefined && at - known.at < trustMs) return known.owned
      underWay ??= look(signal).finally(() => {
        underWay = undefined
      })
      return underWay
    },
    summary: async signal => summaryOf(await access.read(signal)),
  }
}
