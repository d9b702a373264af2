import { annotations } from '../../crd/group.ts'
import type { Secret, Stored } from '../../crd/objects.ts'
import { referenceTo } from '../../crd/reference.ts'
import { copiedSecret, isCopyOf, type SecretName } from '../../desired/objects/copied-secret.ts'
import { unusedSince } from '../../desired/unused.ts'
import { OperatorError } from '../../errors.ts'
import type { Cluster } from '../../kubernetes/cluster.ts'
import type { Reason } from '../../reasons.ts'
import { removeAnnotation, sameVersion } from '../json-patch.ts'
import { nameTaken } from './name-taken.ts'
import { createTrust } from './trust.ts'

/** A Secret that a workload needs in its own namespace. */
export interface SecretToCopy {
  source: SecretName
  copy: SecretName
  /** The only type that is copied, so that a copy never hands on a Secret that was made for another use. */
  type: string
  /** The reason why a source of another type is not copied. */
  refusedAs: Reason
}

/**
 * Makes sure that the copy of a Secret exists and has the content of its source.
 * `recheck`: compares the copy even if it was ensured a short time ago.
 * @returns `missing`: there is no source
 * @throws OperatorError `refusedAs` if the source has another type, `NameTaken` if somebody else has the name
 */
export type EnsureCopiedSecret = (
  wanted: SecretToCopy,
  options: { recheck: boolean },
  signal: AbortSignal,
) => Promise<'copied' | 'missing'>

/**
 * A copy is trusted for a while (`trustMs`). One that is behind its source is found by the sweep
 * (`lib/sweep/copied-secrets.ts`), which asks for a recheck. A source that was not found is looked for by the next pass.
 * @param now epoch milliseconds
 */
export function createCopiedSecrets(cluster: Cluster, now: () => number): EnsureCopiedSecret {
  const trust = createTrust(now)

  return async ({ source, copy, type, refusedAs }, { recheck }, signal) => {
    const uid = await trust(`${copy.namespace}/${copy.name}`, { recheck }, async () => {
      const found = await cluster.get<Secret>(secretNamed(source), signal)
      if (found === undefined) return undefined
      if (found.type !== type) throw wrongType(found, { wanted: type, refusedAs })
      await put(cluster, { found, copy, recheck }, signal)
      return found.metadata.uid
    })
    return uid === undefined ? 'missing' : 'copied'
  }
}

interface ToPut {
  found: Stored<Secret>
  copy: SecretName
  recheck: boolean
}

async function put(cluster: Cluster, { found, copy, recheck }: ToPut, signal: AbortSignal): Promise<void> {
  const wanted = copiedSecret(found, copy)
  if ((await cluster.create(wanted, signal)) !== 'exists') return
  const existing = await cluster.get<Secret>(secretNamed(copy), signal)
  if (existing === undefined) return
  if (!isCopyOf(existing, found.metadata)) throw nameTaken(existing)
  const isCurrent = Object.entries(wanted.metadata.annotations ?? {}).every(
    ([name, value]) => existing.metadata.annotations?.[name] === value,
  )
  const unmarked = await withoutMark(cluster, existing, signal)
  if (recheck || !isCurrent) await cluster.applyOver(unmarked, wanted, signal)
}

/** Nobody deletes the copy who has read the mark: a deletion names the version that was read. */
async function withoutMark(
  cluster: Cluster,
  existing: Stored<Secret>,
  signal: AbortSignal,
): Promise<Stored<Secret>> {
  if (unusedSince(existing.metadata) === undefined) return existing
  const operations = [sameVersion(existing), removeAnnotation(annotations.unusedSince)]
  const patched = await cluster.patchJson<Secret>(referenceTo(existing), operations, signal)
  if (patched !== 'conflict' && patched !== undefined) return patched
  const { namespace, name } = existing.metadata
  throw new OperatorError(
    'ClusterUnavailable',
    `Secret ${namespace}/${name} was changed while it was ensured.`,
  )
}

function secretNamed({ namespace, name }: SecretName) {
  return { apiVersion: 'v1', kind: 'Secret', namespace, name }
}

/** It may be replaced where nobody watches, so the instance comes back. */
function wrongType(
  { metadata, type = 'Opaque' }: Stored<Secret>,
  { wanted, refusedAs }: { wanted: string; refusedAs: Reason },
): OperatorError {
  return new OperatorError(
    refusedAs,
    `Secret "${metadata.name}" in namespace "${metadata.namespace}" has the type ${JSON.stringify(type.slice(0, 100))}; ` +
      `only Secrets of the type ${wanted} are copied. Name one of that type, or replace it.`,
  )
}
