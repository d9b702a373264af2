import type { Pass } from '../../../lib/reconcile/pass/outcome.ts'

/** A pass of the instance `ns/a` for a change, the third attempt and after one wait. */
export function somePass(parts: Partial<Pass> = {}): Pass {
  return {
    namespace: 'ns',
    name: 'a',
    uids: ['u1'],
    causes: new Set(['changed']),
    pod: undefined,
    workloadNamespaces: [],
    held: undefined,
    attempt: 2,
    waits: 1,
    trace: undefined,
    at: '2026-01-01T00:00:00.000Z',
    resourceVersion: '1',
    ...parts,
  }
}
