import type { TemplateEnvVar } from '../../crd/challenge-template.ts'
import type { EnvVar } from '../../crd/objects.ts'

export interface EnvSources {
  /** The place of the flag; absent if the container gets none. */
  flag?: { envName: string; secretName: string; key: string }
  owner: { teamId: number; eventId: number }
  /** The variables of the instance, checked. */
  instance: Readonly<Record<string, string>>
  template: readonly TemplateEnvVar[]
}

/**
 * Precedence: flag, then TEAM_ID and EVENT_ID, then the instance, then the template. The list has the same order,
 * because Kubernetes expands `$(NAME)` only for names further up: a template's value can refer to all others. An
 * instance's value is taken literally.
 */
export function env({ flag, owner, instance, template }: EnvSources): EnvVar[] {
  const candidates: EnvVar[] = [
    ...(flag
      ? [{ name: flag.envName, valueFrom: { secretKeyRef: { name: flag.secretName, key: flag.key } } }]
      : []),
    { name: 'TEAM_ID', value: String(owner.teamId) },
    { name: 'EVENT_ID', value: String(owner.eventId) },
    ...Object.keys(instance)
      .sort()
      .map(name => ({ name, value: literal(instance[name] ?? '') })),
    ...template.map(({ name, value }) => ({ name, value })),
  ]
  const taken = new Set<string>()
  return candidates.filter(({ name }) => !taken.has(name) && taken.add(name))
}

/** Escapes a value, since Kubernetes expands `$(NAME)` and replaces `$$` by `$`. */
function literal(value: string): string {
  return /\$[$(]/.test(value) ? value.replaceAll('$', '$$$$') : value
}
