import { operatorError } from '../../errors.ts'
import type { Log } from '../../telemetry/log.ts'
import type { KubernetesClient } from '../client/http.ts'
import { watch } from '../watch/watch.ts'
import { leaseAccess } from './access.ts'
import {
  heldBy,
  holderOf,
  type Lease,
  type LeaseTimes,
  leaseKind,
  leaseTimes,
  released,
  takeableIn,
} from './record.ts'

export const forwarderLease = 'challenge-operator-watch-forwarder'

export interface ElectOptions {
  client: KubernetesClient
  namespace: string
  /** Default: the forwarder's. */
  name?: string
  /** Unique among all who stand; a process that was restarted under the same identity goes on holding. */
  identity: string
  log: Log
  onLeading(): void
  /** Somebody else holds the lease. Not called at the end in order: what is pending may still be sent then. */
  onFollowing(): void
  /** Tests shorten them. */
  times?: Partial<LeaseTimes>
  /** Epoch milliseconds. */
  now?: () => number
}

/** A request on a connection that has died must not cost the lease. */
const callMs = 3_000

/**
 * Stands for a Lease until the signal aborts, then gives it up if it was held, and resolves. Remote clocks are never
 * compared: a lease is free once its version has not changed for its duration by our own clock. A lease only elects:
 * whoever leads goes on while the API server is away, and stops when another holder shows, since two at once are
 * harmless and none is not. Rejects only with what a callback threw, the lease given up.
 */
export async function elect(options: ElectOptions, signal: AbortSignal): Promise<void> {
  const { client, namespace, name = forwarderLease, identity, log, now = Date.now } = options
  const times = { ...leaseTimes, ...options.times }
  const access = leaseAccess(client, namespace, name)
  const about = { lease: `${namespace}/${name}`, identity }
  let lease: Lease | undefined
  let observedAt = now()
  let leading = false
  let renewedAt = 0
  let wake = () => {}
  /** What a callback threw. */
  let failure: unknown

  // A mistake of the caller's is no trouble with the lease: it ends the election and is thrown.
  const tell = (callback: () => void) => {
    try {
      callback()
    } catch (thrown) {
      failure = thrown
      wake()
    }
  }

  const observe = (seen: Lease | undefined) => {
    if (
      seen?.metadata.resourceVersion !== lease?.metadata.resourceVersion ||
      seen?.metadata.uid !== lease?.metadata.uid
    )
      observedAt = now()
    lease = seen
    const holder = holderOf(seen)
    if (!leading || holder === identity || holder === '') return
    leading = false
    log.warn('lease is held by another, following', { ...about, holder })
    tell(options.onFollowing)
  }

  /** @returns false when somebody else was first */
  const take = async (): Promise<boolean> => {
    const call = AbortSignal.any([signal, AbortSignal.timeout(callMs)])
    const blank: Lease = { ...leaseKind, metadata: { namespace, name } }
    const written = await access.write(heldBy(identity, lease ?? blank, times.durationMs, now()), call)
    observe(written === 'conflict' ? await access.read(call) : written)
    if (written === 'conflict') return false
    renewedAt = now()
    if (!leading) {
      leading = true
      log.info('lease is ours, leading', about)
      tell(options.onLeading)
    }
    return true
  }

  /** @returns after how many milliseconds to look again, unless woken */
  const turn = async (): Promise<number> => {
    const mine = leading || holderOf(lease) === identity
    if (mine || takeableIn(lease, observedAt, now()) === 0)
      return (await take()) ? times.renewMs : Math.min(times.retryMs, times.renewMs)
    // The watch tells of each renewal; a silent one may have died, or not be allowed.
    const quiet = now() - observedAt
    if (quiet < times.renewMs + times.retryMs) return times.renewMs + times.retryMs - quiet
    observe(await access.read(AbortSignal.any([signal, AbortSignal.timeout(callMs)])))
    return Math.min(times.retryMs, takeableIn(lease, observedAt, now()))
  }

  const stopWatching = new AbortController()
  const watching = watch<Lease>(
    client,
    { ...leaseKind, namespace, fieldSelector: `metadata.name=${name}` },
    {
      onObject: seen => {
        if (isOlder(seen, lease)) return
        observe(seen)
        if (!leading) wake()
      },
      onGone: () => {
        observe(undefined)
        wake()
      },
      onListed: () => {},
    },
    { log },
    AbortSignal.any([signal, stopWatching.signal]),
  ).catch(thrown => {
    failure = thrown
    wake()
  })

  let known = false
  while (!signal.aborted && failure === undefined) {
    const woken = new Promise<void>(resolve => {
      wake = resolve
    })
    let waitMs = times.retryMs
    try {
      if (!known) observe(await access.read(AbortSignal.any([signal, AbortSignal.timeout(callMs)])))
      known = true
      waitMs = await turn()
    } catch (thrown) {
      if (signal.aborted) break
      const { reason, message } = operatorError(thrown)
      const late = leading && now() - renewedAt > times.deadlineMs
      const fields = { ...about, leading, reason, answer: message }
      if (late) log.warn('lease could not be renewed, leading on until another holder shows', fields)
      // Without the lease nothing is sent at all.
      else if (reason === 'Forbidden') log.error('lease is not allowed to us; check the role', fields)
      else log.info('lease could not be reached, trying again', fields)
    }
    await elapsed(waitMs, woken, signal)
  }

  stopWatching.abort()
  await watching
  await release()
  if (failure !== undefined) throw failure

  /** Reads first: a write that the end cut off may have arrived. */
  async function release(): Promise<void> {
    const call = AbortSignal.timeout(callMs)
    try {
      const last = await access.read(call)
      if (last === undefined || holderOf(last) !== identity) return
      await access.write(released(last, now()), call)
      log.info('lease given up', about)
    } catch (thrown) {
      const { message } = operatorError(thrown)
      log.warn('lease could not be given up, it ends by itself', { ...about, answer: message })
    }
  }
}

/** The watch may tell late what a write of ours has outdated. */
function isOlder(seen: Lease, known: Lease | undefined): boolean {
  if (known?.metadata.uid !== seen.metadata.uid) return false
  return BigInt(seen.metadata.resourceVersion ?? 0) <= BigInt(known?.metadata.resourceVersion ?? 0)
}

function elapsed(ms: number, woken: Promise<void>, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const end = () => resolve()
  const timer = setTimeout(end, ms)
  signal.addEventListener('abort', end, { once: true })
  if (signal.aborted) end()
  return Promise.race([promise, woken]).finally(() => {
    clearTimeout(timer)
    signal.removeEventListener('abort', end)
  })
}
