import type {
  ChallengeInstance,
  ChallengeInstanceSpec,
  ChallengeInstanceStatus,
  Child,
} from '../../lib/crd/challenge-instance.ts'
import type { ChallengeTemplate, ChallengeTemplateSpec } from '../../lib/crd/challenge-template.ts'
import { apiVersion } from '../../lib/crd/group.ts'
import type { Named, ObjectMeta, Secret, Stored } from '../../lib/crd/objects.ts'

export interface InstanceParts {
  metadata?: ObjectMeta
  spec?: Partial<ChallengeInstanceSpec>
  status?: ChallengeInstanceStatus | undefined
}

/** The instance `ctf/web-7` of the template `web`, as a user would create it. */
export function instance({ metadata, spec, status }: InstanceParts = {}): Named<ChallengeInstance> {
  return {
    apiVersion,
    kind: 'ChallengeInstance',
    metadata: { name: 'web-7', namespace: 'ctf', ...metadata },
    spec: { templateRef: 'web', owner: { teamId: 7, eventId: 1 }, ...spec },
    ...(status === undefined ? {} : { status }),
  }
}

/** Every object as the API server returns it has a time of creation, uid and version. */
const created = { resourceVersion: '1', creationTimestamp: '2026-11-21T08:00:00Z' }

/** The same instance as the API server returns it. */
export function storedInstance({ metadata, ...parts }: InstanceParts = {}): Stored<ChallengeInstance> {
  const stored = { name: 'web-7', namespace: 'ctf', uid: 'instance-uid', ...created, generation: 1 }
  return { ...instance(parts), metadata: { ...stored, ...metadata } }
}

export interface TemplateParts {
  metadata?: ObjectMeta
  spec?: Partial<ChallengeTemplateSpec>
}

/** The template `ctf/web`, with no more than its required fields. */
export function template({ metadata, spec }: TemplateParts = {}): Named<ChallengeTemplate> {
  return {
    apiVersion,
    kind: 'ChallengeTemplate',
    metadata: { name: 'web', namespace: 'ctf', ...metadata },
    spec: {
      image: 'registry.example.com/ctf/web:1',
      resources: { cpu: '100m', memory: '64Mi' },
      ...spec,
    },
  }
}

/** The same template as the API server returns it. */
export function storedTemplate({ metadata, ...parts }: TemplateParts = {}): Stored<ChallengeTemplate> {
  const stored = { name: 'web', namespace: 'ctf', uid: 'template-uid', ...created, generation: 1 }
  return { ...template(parts), metadata: { ...stored, ...metadata } }
}

/** The Secret `ctf/flags`, as the API server returns it. @param values of its keys, not encoded */
export function flagSecret(values: Record<string, string> = { web: 'flag{x}' }): Stored<Secret> {
  const encoded = Object.entries(values).map(([key, value]) => [key, Buffer.from(value).toString('base64')])
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'flags', namespace: 'ctf', uid: 'secret-uid', ...created, resourceVersion: '7' },
    type: 'Opaque',
    data: Object.fromEntries(encoded),
  }
}

/** An entry of `status.children`: the Deployment of `ctf/web-7`. */
export function recordedChild(parts: Partial<Child> = {}): Child {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    namespace: 'ctf',
    name: 'web-7',
    version: '1',
    hash: 'h',
    ...parts,
  }
}

/** A template for a real cluster. */
export function templateOf(
  namespace: string,
  name: string,
  spec: Partial<ChallengeTemplateSpec> = {},
): Named<ChallengeTemplate> {
  return template({ metadata: { name, namespace }, spec })
}

/** An instance for a real cluster. */
export function instanceOf(
  namespace: string,
  name: string,
  templateRef: string,
  teamId = 7,
  spec: Partial<ChallengeInstanceSpec> = {},
): Named<ChallengeInstance> {
  const metadata = { name, namespace }
  return instance({ metadata, spec: { templateRef, owner: { teamId, eventId: 1 }, ...spec } })
}
