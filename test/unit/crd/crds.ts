import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parse } from 'yaml'

const manifests = resolve(import.meta.dirname, '../../../manifests')

export interface Schema {
  type?: string
  description?: string
  required?: string[]
  properties?: Record<string, Schema>
  items?: Schema
  additionalProperties?: Schema
  enum?: string[]
  format?: string
  pattern?: string
  maxLength?: number
  maxItems?: number
  maxProperties?: number
  minimum?: number
  'x-kubernetes-int-or-string'?: boolean
  'x-kubernetes-preserve-unknown-fields'?: boolean
  'x-kubernetes-validations'?: { rule: string; message?: string }[]
}

export interface Crd {
  metadata: { annotations: Record<string, string> }
  spec: {
    group: string
    names: { kind: string }
    versions: { name: string; schema: { openAPIV3Schema: Schema } }[]
  }
}

export const template = readCrd('challengetemplates')
export const instance = readCrd('challengeinstances')

/** `spec.ports[]`: the items of the field. */
export function at({ schema }: { schema: Schema }, path: string): Schema {
  const found = path.split('.').reduce<Schema | undefined>((parent, step) => {
    const field = parent?.properties?.[step.replace('[]', '')]
    return step.endsWith('[]') ? field?.items : field
  }, schema)
  if (!found) throw new Error(`the schema has no ${path}`)
  return found
}

function readCrd(plural: string) {
  const crd: Crd = parse(readFileSync(join(manifests, 'crds', `${plural}.yaml`), 'utf8'))
  return {
    crd,
    kind: crd.spec.names.kind,
    schema: crd.spec.versions[0]?.schema.openAPIV3Schema ?? {},
  }
}
