import { type RawBuilder, sql } from 'kysely'
import type { WatchedNamespaces } from '../crd/namespaces.ts'
import { storable } from './storable.ts'

/** Whether a namespace is one of those that an operator watches. @param namespace an expression of text */
export function isWatched(
  namespace: RawBuilder<unknown>,
  namespaces: WatchedNamespaces,
): RawBuilder<boolean> {
  return namespaces === '*' ? sql`true` : sql`${namespace} = ANY(${namespaces.map(storable)}::text[])`
}
