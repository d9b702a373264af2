/** Reasons for which a rule of the cluster refuses an object that it could otherwise make. */
export type RefusalReason = 'QuotaExceeded' | 'PodSecurityRefused' | 'AdmissionRefused'

/** Characters of a refusal that a status shows. */
const longest = 300

/**
 * Classifies the API server's sentence about an object that quota, Pod Security, a webhook or a policy refused.
 * @returns undefined if no such rule speaks in it
 */
export function refusalReason(message: string): RefusalReason | undefined {
  if (/exceeded quota|failed quota|must specify limits/.test(message)) return 'QuotaExceeded'
  if (/violates PodSecurity/.test(message)) return 'PodSecurityRefused'
  if (/admission webhook .* denied|(Validating|Mutating)AdmissionPolicy .*denied/.test(message))
    return 'AdmissionRefused'
  if (/(maximum|minimum) \S+ usage per|limit to request ratio per/.test(message)) return 'AdmissionRefused'
  return undefined
}

/** The rule's own words in one line, without the name of the object and without values that a user wrote. */
export function refusalText(message: string): string {
  return shortened(withoutValues(message.replace(/^.*? is (forbidden|invalid): /, '')), longest)
}

export function shortened(text: string, limit: number): string {
  const oneLine = text.replace(/\s+/g, ' ').trim()
  return oneLine.length > limit ? `${oneLine.slice(0, limit - 1).toWellFormed()}…` : oneLine
}

const valued = /(Invalid value|Unsupported value|Duplicate value|Not found|Too long|Too many): /

/**
 * Cuts out the values of the field errors in a text, since a refused value may be a flag: `a: Invalid value: -1: must
 * be …` becomes `a: must be …`. If the end of a value cannot be found, the text ends before the value.
 */
export function withoutValues(text: string): string {
  let safe = ''
  let rest = text
  for (let found = rest.match(valued); found; found = rest.match(valued)) {
    const [whole, kind = ''] = found
    safe += rest.slice(0, found.index)
    rest = rest.slice((found.index ?? 0) + whole.length)
    const end = valueEnd(rest)
    if (end === undefined || !/^(: |, |\]|$)/.test(rest.slice(end))) return safe + kind
    rest = rest.startsWith(': ', end) ? rest.slice(end + 2) : kind + rest.slice(end)
  }
  return safe + rest
}

/** The position after the value. Go prints a value quoted, as JSON, as `pkg.Type{…}`, or bare. */
function valueEnd(text: string): number | undefined {
  const opening = text.match(/^[\w.*&[\]]*(?=[{[("])/)?.[0].length ?? 0
  if (!'{[("'.includes(text[opening] || ' ')) {
    const bare = text.match(/^[-+.\w]*(?=: |$)/)
    return bare ? bare[0].length : undefined
  }
  let depth = 0
  for (let at = opening; at < text.length; at++) {
    const char = text[at] as string
    if (char === '"') {
      const quoted = text.slice(at).match(/^"(?:[^"\\]|\\.)*"/s)
      if (!quoted) return undefined
      at += quoted[0].length - 1
    } else if ('{[('.includes(char)) depth++
    else if ('}])'.includes(char)) depth--
    if (depth === 0) return at + 1
  }
  return undefined
}
