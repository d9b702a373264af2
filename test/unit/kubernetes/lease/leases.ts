import type { Stored } from '../../../../lib/crd/objects.ts'
import { type Lease, leaseKind } from '../../../../lib/kubernetes/lease/record.ts'

/** The writer of the tests' Leases. */
export const writer = { stack: undefined, deployedAt: undefined, version: '1.2.3' }

/** The Lease `ctf/l` as the API server returns it. */
export function storedLease(
  resourceVersion: string,
  spec: Lease['spec'] = {},
  { uid = 'u', annotations }: { uid?: string; annotations?: Record<string, string> | undefined } = {},
): Stored<Lease> {
  const creationTimestamp = '2026-05-01T11:00:00Z'
  const named = { namespace: 'ctf', name: 'l', uid, resourceVersion, creationTimestamp }
  const metadata = { ...named, ...(annotations === undefined ? {} : { annotations }) }
  return { ...leaseKind, metadata, spec }
}
