import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parse, parseAllDocuments } from 'yaml'
import { configurationReference } from '../../../lib/config/reference.ts'

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
  const components = (readdirSync(manifests, { recursive: true }) as string[]).filter(
    path => path.endsWith('/kustomization.yaml') && !path.startsWith('in-cluster/'),
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

describe('manifests/in-cluster', () => {
  const objectsOf = (path: string) =>
    parseAllDocuments(readFileSync(join(manifests, path), 'utf8')).map(
      document =>
        document.toJS() as {
          kind: string
          metadata: { name: string; namespace?: string }
          roleRef?: { name: string }
          subjects?: { kind: string; name: string; namespace?: string }[]
        },
    )

  it('lists every file of its folder', () => {
    const own = ['in-cluster', 'in-cluster/elasticmq'].flatMap(folder =>
      read(`${folder}/kustomization.yaml`).resources.map(each => `${folder}/${each}`),
    )
    expect(own.toSorted()).toEqual(listed('in-cluster'))
  })

  it('binds its account wherever the roles of the functions are bound', () => {
    const bindingsOf = (paths: readonly string[]) =>
      paths
        .flatMap(objectsOf)
        .filter(({ kind }) => kind.endsWith('Binding'))
        .map(({ kind, metadata, roleRef }) => `${kind} ${metadata.namespace} ${roleRef?.name}`)
        .toSorted()
    const own = objectsOf('in-cluster/account.yaml')
    expect(bindingsOf(['in-cluster/account.yaml'])).toEqual(bindingsOf(listed('rbac')))
    const account = own.find(({ kind }) => kind === 'ServiceAccount')
    for (const { subjects } of own.filter(({ kind }) => kind.endsWith('Binding')))
      expect(subjects).toEqual([{ kind: 'ServiceAccount', ...account?.metadata }])
  })

  it('names only variables of the configuration', () => {
    const names = readFileSync(join(manifests, 'in-cluster/settings.env'), 'utf8').match(/^\w+(?==)/gm)
    const known = configurationReference.map(({ name }) => name)
    expect(names?.length).toBeGreaterThan(5)
    expect(names?.filter(name => !known.includes(name))).toEqual([])
  })
})
