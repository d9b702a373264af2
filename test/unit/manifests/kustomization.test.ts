import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parse, parseAllDocuments } from 'yaml'

const manifests = join(import.meta.dirname, '../../../manifests')

interface Kustomization {
  apiVersion: string
  kind: 'Kustomization' | 'Component'
  resources: string[]
}

const listed = (folder: string) =>
  (readdirSync(manifests, { recursive: true }) as string[])
    .filter(
      path => path.startsWith(`${folder}/`) && path.endsWith('.yaml') && !path.endsWith('kustomization.yaml'),
    )
    .toSorted()

const read = (path: string) => parse(readFileSync(join(manifests, path), 'utf8')) as Kustomization

describe('manifests/kustomization.yaml', () => {
  const { kind, apiVersion, resources } = read('kustomization.yaml')

  it('lists every definition, role and policy, and nothing else', () => {
    expect({ kind, apiVersion }).toEqual({
      kind: 'Kustomization',
      apiVersion: 'kustomize.config.k8s.io/v1beta1',
    })
    expect(resources.toSorted()).toEqual(['admission', 'crds', 'rbac'].flatMap(listed))
  })

  it('has no object twice, since kustomize refuses that', () => {
    const ids = resources.flatMap(path =>
      parseAllDocuments(readFileSync(join(manifests, path), 'utf8')).map(document => {
        const { kind, metadata } = document.toJS() as {
          kind: string
          metadata: { name: string; namespace?: string }
        }
        return `${kind} ${metadata.namespace ?? ''}/${metadata.name}`
      }),
    )
    expect(ids.length).toBeGreaterThan(20)
    expect(ids.filter((id, index) => ids.indexOf(id) !== index)).toEqual([])
  })
})

describe('a component', () => {
  const components = (readdirSync(manifests, { recursive: true }) as string[]).filter(path =>
    path.endsWith('/kustomization.yaml'),
  )

  it('exists', () => {
    expect(components.length).toBeGreaterThan(0)
  })

  it.each(components)('lists every file of its folder: %s', path => {
    const { kind, apiVersion, resources } = read(path)
    expect({ kind, apiVersion }).toEqual({
      kind: 'Component',
      apiVersion: 'kustomize.config.k8s.io/v1alpha1',
    })
    const folder = dirname(path)
    expect(resources.toSorted()).toEqual(listed(folder).map(each => relative(folder, each)))
  })
})
