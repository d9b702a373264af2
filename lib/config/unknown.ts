/** Variables that Kubernetes puts into pods for a Service named `operator` in their namespace. */
const serviceLink =
  /^OPERATOR(_[A-Z0-9_]+)?_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT(_\d+_(TCP|UDP|SCTP)(_[A-Z]+)?)?)$/

/** The edit distance up to which a name counts as a typo of another. */
const typoDistance = 4

/** Returns a problem for each unknown `OPERATOR_*` name, since a typo would silently mean the default. */
export function unknownVariables(names: readonly string[], known: readonly string[]): string[] {
  return names
    .filter(name => name.startsWith('OPERATOR_') && !known.includes(name) && !serviceLink.test(name))
    .map(name => {
      const nearest = nearestName(
        name,
        known.filter(each => each.startsWith('OPERATOR_')),
      )
      return nearest === undefined
        ? `${name} is not known; remove it`
        : `${name} is not known; did you mean ${nearest}?`
    })
}

/** Returns the known name of which `name` may be a typo. @param limit the most characters that may differ */
export function nearestName(
  name: string,
  known: readonly string[],
  limit = typoDistance,
): string | undefined {
  const nearest = known
    .map(each => ({ each, distance: editDistance(name, each) }))
    .toSorted((a, b) => a.distance - b.distance)[0]
  return nearest && nearest.distance <= limit ? nearest.each : undefined
}

/** The Levenshtein distance. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[b.length] ?? 0
}
