import type { Stored } from '../../../../lib/crd/objects.ts'
import { type Lease, leaseKind } from '../../../../lib/kubernetes/lease/record.ts'

/** The Lease `ctf/l` as the API server returns it. */
export function storedLease(
  resourceVersion: string,
  spec: Lease['spec'] = {},
  { uid = 'u' }: { uid?: string } = {},
): Stored<Lease> {
  const creationTimestamp = '2026-05-01T11:00:00Z'
  const metadata = { namespace: 'ctf', name: 'l', uid, resourceVersion, creationTimestamp }
  return { ...leaseKind, metadata, spec }
}
