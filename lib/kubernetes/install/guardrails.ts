import type { KubernetesObject } from '../../crd/objects.ts'
import { referenceTo } from '../../crd/reference.ts'
import type { Cluster } from '../cluster.ts'
import type { Installed, Manifest, ManifestOptions } from './manifests.ts'

/** The ConfigMap with what an administrator allows. It is the parameter of the policy `challenge-operator-guardrails`. */
export interface Guardrails extends KubernetesObject {
  data?: Record<string, string>
}

/** The only key that an installation writes. */
const key = 'allowedRegistries'

/** A policy of an earlier build, which held the registries itself. */
export interface FormerPolicy extends KubernetesObject {
  spec?: { variables?: { name: string; expression: string }[] }
}

export function isGuardrails({ kind }: KubernetesObject): boolean {
  return kind === 'ConfigMap'
}

/**
 * Creates the ConfigMap of the guardrails if it is missing. It belongs to the administrator, so nothing in an existing one
 * changes but the registries, and those only if the options name some.
 * @param former the policy for templates as the cluster has it. One of an earlier build has registries, which are kept
 */
export async function installGuardrails(
  cluster: Cluster,
  {
    object,
    options,
    former,
  }: { object: Manifest; options: ManifestOptions; former?: FormerPolicy | undefined },
  signal: AbortSignal,
): Promise<Installed> {
  const name = `configmap/${object.metadata.name}`
  const reference = referenceTo(object)
  const existing = await cluster.get<Guardrails>(reference, signal)
  if (existing === undefined) {
    const value = registriesText(options) ?? formerRegistries(former)
    await cluster.apply({ ...object, ...(value && { data: { [key]: value } }) } as KubernetesObject, signal)
    return { name, action: 'created' }
  }
  if (hasRegistries(existing, options)) return { name, action: 'unchanged' }
  const value = registriesText(options)
  const whole = existing.data === undefined ? [{ op: 'add', path: '/data', value: {} } as const] : []
  const write =
    value === undefined
      ? ({ op: 'remove', path: `/data/${key}` } as const)
      : ({ op: 'add', path: `/data/${key}`, value } as const)
  await cluster.patchJson(reference, [...whole, write], signal)
  return { name, action: 'upgraded' }
}

/** Whether the ConfigMap has the registries that the options name; also if they name none. */
export function hasRegistries({ data }: Guardrails, options: ManifestOptions): boolean {
  return options.allowedRegistries === undefined || data?.[key] === registriesText(options)
}

/** Undefined: all registries are allowed, or the options name none. */
function registriesText({ allowedRegistries = [] }: ManifestOptions): string | undefined {
  if (allowedRegistries.length === 0) return undefined
  return allowedRegistries
    .map(each => each.replace(/\/+$/, ''))
    .toSorted()
    .join(', ')
}

/** The strings of the CEL list in a policy of an earlier build; undefined for an empty list. */
function formerRegistries(policy: FormerPolicy | undefined): string | undefined {
  const expression = policy?.spec?.variables?.find(({ name }) => name === key)?.expression ?? ''
  const found = [...expression.matchAll(/'([^']*)'|"([^"]*)"/g)].map(([, one, other]) => one ?? other)
  return found.length === 0 ? undefined : found.join(', ')
}
