import { gunzipSync, gzipSync } from 'node:zlib'
import type { KnownTemplate } from '../crd/challenge-template.ts'
import { apiVersion, fieldManager, labels as labelNames, templateRevisionType } from '../crd/group.ts'
import type { Named, Secret } from '../crd/objects.ts'
import { canonicalJson } from './canonical.ts'
import { labelValue } from './identity.ts'
import { templateHash } from './template-hash.ts'

/** The key of the template in the Secret of its revision. */
const templateKey = 'template'

/** Leaves room in the 253 characters of a name for digits of the uid and the hash, and a generation of 19 digits. */
const nameCutTo = 200

/** Bytes. The API server stores no larger object. */
const templateLimit = 4 * 2 ** 20

/**
 * Name of the Secret that keeps this generation of a template. It contains a dot, and no instance's name does, so no
 * instance's own Secret has the same name. Its last part is `templateHash`, so a Secret with another content is not
 * taken for this one, and a static flag cannot be guessed from the name.
 */
export function revisionName(template: KnownTemplate): string {
  return `${generationName(template)}${templateHash(template.spec)}`
}

/**
 * Whether a revision keeps this generation of this template. A newer resource definition can add a default to a stored
 * template without a new generation, so the hash may differ.
 */
export function isRevisionOf(revision: string, template: KnownTemplate): boolean {
  return revision.startsWith(generationName(template))
}

function generationName({ metadata }: KnownTemplate): string {
  const { name, uid, generation = 0 } = metadata
  const kept = name.slice(0, nameCutTo).replace(/[^a-z0-9]+$/, '')
  return `${kept}.${uid.slice(0, 8)}-${generation}-`
}

/**
 * Builds the Secret that keeps a template as instances take it up. It is a Secret, because a static flag may stand in the
 * template. It has no owner, because its instances need it longer than the template exists.
 */
export function templateRevision(template: KnownTemplate): Named<Secret> {
  const { name, namespace, uid, generation } = template.metadata
  const kept = { metadata: { name, namespace, uid, generation }, spec: template.spec }
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: {
      name: revisionName(template),
      namespace,
      labels: { [labelNames.managedBy]: fieldManager, [labelNames.templateRevision]: labelValue(name) },
    },
    type: templateRevisionType,
    immutable: true,
    data: { [templateKey]: gzipSync(canonicalJson(kept)).toString('base64') },
  }
}

/** Returns the template that a Secret keeps; undefined if the Secret is no revision, or not the one of its name. */
export function templateOfRevision({ type, data, metadata }: Named<Secret>): KnownTemplate | undefined {
  const content = data?.[templateKey]
  if (type !== templateRevisionType || content === undefined) return undefined
  try {
    const json = gunzipSync(Buffer.from(content, 'base64'), { maxOutputLength: templateLimit }).toString(
      'utf8',
    )
    const kept = JSON.parse(json) as Pick<KnownTemplate, 'metadata' | 'spec'>
    const template: KnownTemplate = { ...kept, apiVersion, kind: 'ChallengeTemplate' }
    const isNamed = metadata.namespace === kept.metadata.namespace && metadata.name === revisionName(template)
    return isNamed ? template : undefined
  } catch {
    return undefined
  }
}
