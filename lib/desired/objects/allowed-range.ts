import { type Cidr, cidr, contains, formatCidr } from '../../config/cidr.ts'
import type { EgressRule } from '../../crd/challenge-template.ts'
import { linkLocal, metadata, notInternet } from './ranges.ts'

/**
 * Returns the parts of an allowed range that stay closed although its author did not except them: private, shared,
 * link-local and metadata addresses, and the cluster's own. A range that lies within a private one was named on purpose
 * and stays open.
 * @param rule a rule without a problem, see `networkProblems`
 */
export function addedExceptions({ cidr: text, except = [] }: EgressRule, clusterCidrs: readonly string[]) {
  const range = cidr(text)
  const own = except.map(cidr)
  const closed = [...notInternet, ...metadata, ...clusterCidrs.map(cidr)].filter(
    each => contains(range, each) && !contains(each, range) && !own.some(other => contains(other, each)),
  )
  return widest(closed).map(formatCidr)
}

/**
 * Returns the range that no challenge may reach and in which an allowed range lies whole. A new template with such a range
 * is refused; the range of one that is in use closes when the configuration changes.
 */
export function closedBy(range: Cidr, clusterCidrs: readonly string[]): Cidr | undefined {
  return [...linkLocal, ...metadata, ...clusterCidrs.map(cidr)].find(each => contains(each, range))
}

/** Removes duplicates and ranges that lie within another range. */
export function widest(ranges: readonly Cidr[]): Cidr[] {
  return ranges.filter((range, index) =>
    ranges.every(
      (other, at) => at === index || !contains(other, range) || (contains(range, other) && index < at),
    ),
  )
}
