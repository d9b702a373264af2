import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { apiVersion, group } from '../../../lib/crd/group.ts'
import { crdVersion, versionMark } from '../../../lib/kubernetes/install/schema-check.ts'
import { dateAdvice, datePattern } from '../../../lib/lifetime.ts'
import { at, instance, type Schema, template } from './crds.ts'
import { tables, unions } from './fields.ts'

describe('the CRDs', () => {
  it.each(tables)('have the fields of the type for %s, and require the same ones', (_, schema, fields) => {
    expect(Object.keys(schema.properties ?? {}).toSorted()).toEqual(Object.keys(fields).toSorted())
    const required = Object.keys(fields).filter(field => fields[field] === 'required')
    expect((schema.required ?? []).toSorted()).toEqual(required.toSorted())
  })

  it.each(unions)('have the values of the type for %s', (_, schema, members) => {
    expect(schema.enum?.toSorted()).toEqual(Object.keys(members).toSorted())
  })

  it('have the group and version of the code', () => {
    for (const { crd } of [template, instance]) {
      expect(crd.spec.group).toBe(group)
      expect(crd.spec.versions.map(({ name }) => `${crd.spec.group}/${name}`)).toEqual([apiVersion])
    }
  })

  it('carry the version that the functions require', () => {
    for (const { crd } of [template, instance])
      expect(crd.metadata.annotations[versionMark]).toBe(String(crdVersion))
  })
})

/** The fingerprint of both definitions at a version. A cluster with this version is not upgraded. */
const recorded = { version: 8, fingerprint: '2ce504380a24dc2f' }

describe('the version of the schemas', () => {
  const fingerprint = fingerprintOf([template.crd.spec, instance.crd.spec])

  it('is raised when a schema changes', () => {
    const advice =
      'A definition in manifests/crds has changed, and clusters that have its version would not be upgraded. ' +
      `If version ${recorded.version} is in a release, raise the annotation crd-version in both files and crdVersion ` +
      `in lib/kubernetes/install/schema-check.ts. Then record the version and "${fingerprint}" here.`
    expect({ version: crdVersion, fingerprint }, advice).toEqual(recorded)
  })

  it('does not depend on descriptions or on the order of fields', () => {
    const properties = {
      a: { type: 'string', maxLength: 1 },
      description: { type: 'string', description: 'x' },
    }
    const reordered = {
      description: { description: 'y', type: 'string' },
      a: { description: 'z', maxLength: 1, type: 'string' },
    }
    expect(fingerprintOf({ properties })).toBe(fingerprintOf({ properties: reordered }))
    const { a } = properties
    expect(fingerprintOf({ properties: { a } })).not.toBe(fingerprintOf({ properties }))
    const longer = { ...properties, a: { ...a, maxLength: 2 } }
    expect(fingerprintOf({ properties: longer })).not.toBe(fingerprintOf({ properties }))
  })
})

describe('the schemas', () => {
  const fields = [template, instance].flatMap(({ schema, kind }) => walk(schema, kind))

  it('describe every field in sentences', () => {
    const named = fields.filter(({ path }) => !path.endsWith('[]') && !path.endsWith('{}'))
    const without = named.filter(
      ({ path, schema }) => !path.endsWith('.metadata') && !/\.$/.test(schema.description ?? ''),
    )
    expect(without.map(({ path }) => path)).toEqual([])
  })

  it('bound every field', () => {
    expect(fields.filter(({ path, schema }) => !bounded(path, schema)).map(({ path }) => path)).toEqual([])
  })

  it('take exactly the dates that are read, and say of any other what to write', () => {
    const dates = fields.filter(
      ({ path, schema }) => path.includes('.spec.') && /^RFC 3339 date/.test(schema.description ?? ''),
    )
    expect(dates.map(({ path }) => path)).toEqual([
      'ChallengeTemplate.spec.availableFrom',
      'ChallengeTemplate.spec.availableUntil',
      'ChallengeInstance.spec.expiresAt',
      'ChallengeInstance.spec.restartedAt',
    ])
    for (const { schema } of dates) {
      // The API server checks a format first, and its complaint has no example.
      expect(schema.format).toBeUndefined()
      expect(schema['x-kubernetes-validations']).toEqual([
        { rule: `self.matches('${datePattern}')`, message: dateAdvice },
      ])
    }
    const [order] =
      at(template, 'spec')['x-kubernetes-validations']?.filter(({ rule }) => rule.includes('timestamp(')) ??
      []
    expect(order?.rule).toContain(`date.matches('${datePattern}')`)
  })

  it('have a message for every rule', () => {
    const rules = fields.flatMap(({ schema }) => schema['x-kubernetes-validations'] ?? [])
    expect(rules.length).toBeGreaterThan(15)
    expect(rules.filter(({ message }) => !message || message.length < 20)).toEqual([])
  })
})

/** Hashes a definition. The text of a description is left out, a field of the name `description` is not. */
function fingerprintOf(definition: unknown): string {
  const canonical = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(canonical)
    if (typeof value !== 'object' || value === null) return value
    const entries = Object.entries(value)
      .filter(([name, content]) => name !== 'description' || typeof content !== 'string')
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
    return entries.map(([name, content]) => [name, canonical(content)])
  }
  return createHash('sha256')
    .update(JSON.stringify(canonical(definition)))
    .digest('hex')
    .slice(0, 16)
}

function bounded(path: string, schema: Schema): boolean {
  // Kubernetes bounds these.
  if (/^\w+\.(apiVersion|kind|metadata)$/.test(path)) return true
  if (schema['x-kubernetes-int-or-string']) return schema.maxLength !== undefined
  switch (schema.type) {
    case 'string':
      return schema.enum !== undefined || schema.maxLength !== undefined || schema.format === 'date-time'
    case 'integer':
      return schema.minimum !== undefined
    case 'array':
      return schema.maxItems !== undefined
    case 'object':
      return schema.properties !== undefined || schema.maxProperties !== undefined
    case 'boolean':
      return true
    default:
      return schema.maxLength !== undefined
  }
}

function walk(schema: Schema, path: string): { path: string; schema: Schema }[] {
  return [
    { path, schema },
    ...Object.entries(schema.properties ?? {}).flatMap(([name, each]) => walk(each, `${path}.${name}`)),
    ...(schema.items ? walk(schema.items, `${path}[]`) : []),
    ...(schema.additionalProperties ? walk(schema.additionalProperties, `${path}{}`) : []),
  ]
}
