import { describe, expect, it } from 'vitest'
import { apiVersion, group } from '../../../lib/crd/group.ts'
import { crdVersion, versionMark } from '../../../lib/kubernetes/install/schema-check.ts'
import { instance, type Schema, template } from './crds.ts'
import { tables, unions } from './fields.ts'

describe('do the CRDs say what the types say', () => {
  it.each(tables)('has %s the same fields, and requires the same', (_, schema, fields) => {
    expect(Object.keys(schema.properties ?? {}).toSorted()).toEqual(Object.keys(fields).toSorted())
    const required = Object.keys(fields).filter(field => fields[field] === 'required')
    expect((schema.required ?? []).toSorted()).toEqual(required.toSorted())
  })

  it.each(unions)('has %s the same values', (_, schema, members) => {
    expect(schema.enum?.toSorted()).toEqual(Object.keys(members).toSorted())
  })

  it('are group and version those of the code', () => {
    for (const { crd } of [template, instance]) {
      expect(crd.spec.group).toBe(group)
      expect(crd.spec.versions.map(({ name }) => `${crd.spec.group}/${name}`)).toEqual([apiVersion])
    }
  })

  it('does the mark on both match what the functions ask for', () => {
    for (const { crd } of [template, instance])
      expect(crd.metadata.annotations[versionMark]).toBe(String(crdVersion))
  })
})

describe('is the schema a reference manual, and bounded', () => {
  const fields = [template, instance].flatMap(({ schema, kind }) => walk(schema, kind))

  it('does every field have a description that ends as a sentence', () => {
    const named = fields.filter(({ path }) => !path.endsWith('[]') && !path.endsWith('{}'))
    const without = named.filter(
      ({ path, schema }) => !path.endsWith('.metadata') && !/\.$/.test(schema.description ?? ''),
    )
    expect(without.map(({ path }) => path)).toEqual([])
  })

  it('does every field have a bound', () => {
    expect(fields.filter(({ path, schema }) => !bounded(path, schema)).map(({ path }) => path)).toEqual([])
  })

  it('does every rule say what is wrong', () => {
    const rules = fields.flatMap(({ schema }) => schema['x-kubernetes-validations'] ?? [])
    expect(rules.length).toBeGreaterThan(15)
    expect(rules.filter(({ message }) => !message || message.length < 20)).toEqual([])
  })
})

function bounded(path: string, schema: Schema): boolean {
  // The server knows what these are.
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
