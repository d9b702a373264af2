/** The placeholders of a host template. */
export const hostPlaceholders = ['name', 'hash', 'domain', 'team', 'event', 'template'] as const
export type HostPlaceholder = (typeof hostPlaceholders)[number]

/** The template of hosts where neither the operator nor the challenge has one. */
export const defaultHostTemplate = '{name}-{hash}.{domain}'

/** Characters of the hash in a host: 64 bits as hex digits, so that nobody guesses a host. */
export const hostHashLength = 16

/** Characters of a label of a DNS name, and of a whole name (RFC 1035). */
export const hostLabelLength = 63
export const hostLength = 253

/** Characters of a value that a problem shows. */
const shownLimit = 80

const domainForm = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/

/** @returns the end of a sentence about a domain: what is wrong and what to write instead */
export function domainProblem(domain: string): string | undefined {
  const shown = JSON.stringify(domain.slice(0, shownLimit).toWellFormed())
  if (!domainForm.test(domain))
    return `is ${shown}; write a DNS name of lower-case letters, digits and dashes, such as play.example.com (other letters in Punycode: xn--…)`
  const long = domain.split('.').find(label => label.length > hostLabelLength)
  if (long !== undefined)
    return `has a part of ${long.length} characters; write at most ${hostLabelLength} between two dots`
  const room = hostLength - hostHashLength - 1
  return domain.length > room
    ? `has ${domain.length} characters; write at most ${room}, since a name of the instance comes before it`
    : undefined
}

/** @returns the end of a sentence about a host template: what is wrong and what to write instead */
export function hostTemplateProblem(template: string): string | undefined {
  const shown = JSON.stringify(template.slice(0, shownLimit).toWellFormed())
  const example = `such as ${defaultHostTemplate}`
  const unknown = [...template.matchAll(/\{([^{}]*)\}/g)].find(([, name]) => !isPlaceholder(name))
  if (unknown)
    return `has the placeholder ${JSON.stringify(unknown[0].slice(0, 30))}; write only ${hostPlaceholders.map(each => `{${each}}`).join(', ')}`
  if (!template.includes('{hash}'))
    return `is ${shown}, without {hash}; write it as well, so that nobody guesses a host, ${example}`
  const labels = hostLabels(template)
  if (labels.some(label => label.includes('{domain}') && label !== '{domain}'))
    return `is ${shown}; write {domain} between dots or at the end, ${example}`
  const plain = labels.map(label => label.replaceAll(/\{(?!hash)\w+\}/g, 'a').replaceAll('{hash}', 'a'))
  if (!plain.every(label => domainForm.test(label) && !label.includes('.')))
    return `is ${shown}; write lower-case letters, digits, dashes and placeholders between dots, ${example}`
  const fixed = labels.map(fixedLength).find(length => length > hostLabelLength)
  return fixed === undefined
    ? undefined
    : `has a part of at least ${fixed} characters; write at most ${hostLabelLength} between two dots`
}

export function hostLabels(template: string): string[] {
  return template.split('.')
}

/** The characters of a label that cannot be cut: what is written out, the hash, and one for each other placeholder. */
function fixedLength(label: string): number {
  return label.replaceAll('{hash}', '0'.repeat(hostHashLength)).replaceAll(/\{\w+\}/g, 'a').length
}

function isPlaceholder(name: string | undefined): boolean {
  return hostPlaceholders.some(each => each === name)
}
