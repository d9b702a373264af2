import { fieldManager } from '../../crd/group.ts'
import type { KubernetesClient } from '../client/http.ts'
import { collectionPath, objectPath } from '../client/paths.ts'
import { apiError } from '../errors/api-error.ts'
import { objectMissing } from '../errors/api-status.ts'
import { type Lease, leaseKind } from './record.ts'

/** Reads and writes of one Lease; every write with its version as precondition. Throws `OperatorError`. */
export interface LeaseAccess {
  read(signal: AbortSignal): Promise<Lease | undefined>
  /** Creates it when it has no version yet. @returns 'conflict' when somebody else was first, or it is gone */
  write(lease: Lease, signal: AbortSignal): Promise<Lease | 'conflict'>
}

export function leaseAccess(client: KubernetesClient, namespace: string, name: string): LeaseAccess {
  const reference = { ...leaseKind, namespace, name }
  const query = { fieldManager }
  return {
    async read(signal) {
      const response = await client.request('GET', objectPath(reference), {}, signal)
      if (objectMissing(response, name)) return undefined
      if (response.status !== 200) throw apiError({ verb: 'get', ...reference }, response)
      return response.body as Lease
    },
    async write(lease, signal) {
      const fresh = lease.metadata.resourceVersion === undefined
      const response = fresh
        ? await client.request('POST', collectionPath(leaseKind, namespace), { body: lease, query }, signal)
        : await client.request('PUT', objectPath(reference), { body: lease, query }, signal)
      if (response.status === 409 || objectMissing(response, name)) return 'conflict'
      if (response.status >= 300)
        throw apiError({ verb: fresh ? 'create' : 'update', ...reference }, response)
      return response.body as Lease
    },
  }
}
