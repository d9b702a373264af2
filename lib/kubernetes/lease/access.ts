import { fieldManager } from '../../crd/group.ts'
import type { Stored } from '../../crd/objects.ts'
import type { KubernetesClient } from '../client/http.ts'
import { collectionPath, objectPath } from '../client/paths.ts'
import { apiError } from '../errors/api-error.ts'
import { objectMissing } from '../errors/api-status.ts'
import { provenStored } from '../stored.ts'
import { type Lease, leaseKind } from './record.ts'

/** Reads and writes one Lease. A write has the version as its precondition. Throws `OperatorError`. */
export interface LeaseAccess {
  read(signal: AbortSignal): Promise<Stored<Lease> | undefined>
  /** Creates a lease that has no version yet. @returns 'conflict' if another client was first, or the lease is gone */
  write(lease: Lease, signal: AbortSignal): Promise<Stored<Lease> | 'conflict'>
}

export function leaseAccess(client: KubernetesClient, namespace: string, name: string): LeaseAccess {
  const reference = { ...leaseKind, namespace, name }
  const query = { fieldManager }
  return {
    async read(signal) {
      const response = await client.request('GET', objectPath(reference), {}, signal)
      if (objectMissing(response, name)) return undefined
      const attempt = { verb: 'get', ...reference } as const
      if (response.status !== 200) throw apiError(attempt, response)
      return provenStored<Lease>(response.body, attempt)
    },
    async write(lease, signal) {
      const isNew = lease.metadata.resourceVersion === undefined
      const response = isNew
        ? await client.request('POST', collectionPath(leaseKind, namespace), { body: lease, query }, signal)
        : await client.request('PUT', objectPath(reference), { body: lease, query }, signal)
      if (response.status === 409 || objectMissing(response, name)) return 'conflict'
      const attempt = { verb: isNew ? 'create' : 'update', ...reference } as const
      if (response.status >= 300) throw apiError(attempt, response)
      return provenStored<Lease>(response.body, attempt)
    },
  }
}
