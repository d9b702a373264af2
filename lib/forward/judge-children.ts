import type { InstanceDigest } from './instance-digest.ts'
import type { Dependent, Row } from './row.ts'
import type { Wake } from './verdict.ts'

/** The status write follows the last child's write within milliseconds; a second is what a slow API server takes. */
const echoMs = 1_000

/** A teardown's last events come from several watches: the children's may arrive after the instance's own. */
const lastEventsMs = 2_000

/** Children that are not as `status.children` records them: absent, of another version, or not recorded at all. */
export function childrenUnrecorded(row: Row, instance: InstanceDigest): Wake | undefined {
  let about = ''
  let versions = ''
  for (const { kind, namespace, name, version } of instance.children) {
    const seen = row.dependents.find(
      each => each.kind === kind && each.name === name && each.namespace === namespace,
    )
    if (seen?.version === version) continue
    about += ` ${kind}/${namespace}/${name}@${seen?.version ?? '-'}`
    versions += ` ${seen?.resourceVersion ?? '-'}`
  }
  for (const each of row.dependents) {
    if (!isLeftover(each, instance) || each.ownerUid !== instance.uid || !namedAfter(each, row)) continue
    about += ` +${each.kind}/${each.namespace}/${each.name}`
    versions += ` ${each.resourceVersion}`
  }
  if (about === '') return undefined
  const { uid, resourceVersion } = instance
  const version = `${about}@${versions}@${resourceVersion}`
  return { uid, cause: 'child', about, version, resourceVersion, holdMs: echoMs }
}

/** Children of an instance that is gone: of a whole row, or of a predecessor under the same name. */
export function orphaned(row: Row, instance: InstanceDigest | undefined): Wake | undefined {
  const first = row.dependents.find(
    each => isLeftover(each, instance) && each.ownerUid !== '' && each.ownerUid !== instance?.uid,
  )
  if (first === undefined) return undefined
  const uid = first.ownerUid
  const left = row.dependents.filter(each => isLeftover(each, instance) && each.ownerUid === uid)
  const about = left.map(each => `${each.kind}/${each.namespace}/${each.name}`).join(' ')
  const version = `${about}@${left.map(each => each.resourceVersion).join(' ')}`
  const { resourceVersion } = first
  return { uid, cause: 'orphan', about, version, resourceVersion, holdMs: lastEventsMs }
}

/** A child that no status records and that is not on its way out. Pods go with their Deployment. */
function isLeftover(each: Dependent, instance: InstanceDigest | undefined): boolean {
  if (each.kind === 'Pod' || each.deleting) return false
  return !instance?.children.some(
    ({ kind, namespace, name }) => kind === each.kind && name === each.name && namespace === each.namespace,
  )
}

/** Children's names follow from the instance's: what somebody copied with its labels under another name no pass would cure. */
function namedAfter(each: Dependent, row: Row): boolean {
  return each.name === row.name || each.name.startsWith(`${row.name}-`)
}
