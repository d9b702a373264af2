import type { Cause } from '../../messages.ts'

export type Causes = { causes: ReadonlySet<Cause> }

/** The sweep found a mismatch, or a person asks with `force-sync`. Both ask for more than a retry does. */
const causesThatVerifyEverything: readonly Cause[] = ['drift', 'manual']

/** A child may differ from its record, or the cause of the pass is not known. */
const causesThatVerifyChildren: readonly Cause[] = [...causesThatVerifyEverything, 'child', 'orphan', 'retry']

/** An earlier pass may have ended between row and status, or have been overtaken there, so the two may differ. */
const causesThatRecheckRow: readonly Cause[] = [...causesThatVerifyEverything, 'retry']

/** Causes that ask for the state of the workload only. A changed template has a cause of its own. */
const causesThatOnlyLook: readonly Cause[] = ['pod']

/** Whether the pass compares every recorded child with its record. */
export function verifiesChildren({ causes }: Causes): boolean {
  return causesThatVerifyChildren.some(cause => causes.has(cause))
}

/** Whether the pass compares the row with the status even if the status does not change. */
export function rechecksRow({ causes }: Causes): boolean {
  return causesThatRecheckRow.some(cause => causes.has(cause))
}

/** Whether the pass verifies everything that a person can ask for with `force-sync`. */
export function answersForceSync({ causes }: Causes): boolean {
  return causesThatVerifyEverything.some(cause => causes.has(cause))
}

/** Whether a slow teardown is worth a look at what blocks it. */
export function asksWhatBlocksTeardown({ causes }: Causes): boolean {
  return causesThatVerifyEverything.some(cause => causes.has(cause))
}

/**
 * Whether the objects that instances share (the default-deny policy, the revision of a template) are put back even if
 * they were ensured a short time ago.
 */
export function rechecksShared({ causes }: Causes): boolean {
  return causes.has('drift')
}

/** Whether the pass repairs every child at once, also one that something else keeps changing: a person asks for it. */
export function repairsAtOnce({ causes }: Causes): boolean {
  return causes.has('manual')
}

/** Whether the pass has no other task than to report the workload. */
export function onlyLooks({ causes }: Causes): boolean {
  return [...causes].every(cause => causesThatOnlyLook.includes(cause))
}

/** Whether the pass has the ReplicaSet tried again whose pods the cluster refuses. */
export function triesRefusedAgain({ causes }: Causes): boolean {
  return causesThatRecheckRow.some(cause => causes.has(cause))
}

/** Whether the sender of a message took the time of the instance for over. */
export function expectsEnd({ causes }: Causes): boolean {
  return causes.has('expiry')
}

/** Whether the pass has no other task than to end the instance. */
export function expectsOnlyEnd({ causes }: Causes): boolean {
  return [...causes].every(cause => cause === 'expiry')
}

/** Whether the change of the instance's template was released, so that the pass takes it up. */
export function releasesTemplate({ causes }: Causes): boolean {
  return causes.has('template')
}

/** Whether the pass asks the database when a player was active last. */
export function asksForActivity({ causes }: Causes): boolean {
  return causes.has('idle')
}

/** Whether a released change is the only work of the pass. */
export function onlyReleases({ causes }: Causes): boolean {
  return [...causes].every(cause => cause === 'template' || causesThatOnlyLook.includes(cause))
}

/** The cause of the timer after a pass that did not come to its end: it still has to verify what it was sent for. */
export function retryCauseOf({ causes }: Causes): Cause {
  return causesThatVerifyEverything.find(cause => causes.has(cause)) ?? 'retry'
}
