import type { TemplateEnvVar } from '../../crd/challenge-template.ts'
import type { EnvVar } from '../../crd/objects.ts'

export interface EnvSources {
  /** Where the flag is; absent where the container gets none. */
  flag?: { envName: string; secretName: string; key: string }
  owner: { teamId: number; eventId: number }
  /** Of the instance, checked. */
  instance: Readonly<Record<string, string>>
  template: readonly TemplateEnvVar[]
}

/**
 * Precedence: flag, then TEAM_ID and EVENT_ID, then the instance, then the template. The strong come first, so that
 * a template's value can refer to them as `$(NAME)`; an instance's value is taken literally.
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

/** Kubernetes expands `$(NAME)` and makes `$$` one `$`. */
function literal(value: string): string {
  return /\$[$(]/.test(value) ? value.replaceAll('$', '$$$$') : value
}
