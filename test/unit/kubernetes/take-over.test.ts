import { describe, expect, it } from 'vitest'
import type { KubernetesObject, ManagedFieldsEntry } from '../../../lib/crd/objects.ts'
import { takenOver } from '../../../lib/kubernetes/take-over.ts'

function object(managedFields: ManagedFieldsEntry[]): KubernetesObject {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web', resourceVersion: '7', managedFields },
  }
}

function entry(
  manager: string,
  operation: 'Apply' | 'Update',
  fieldsV1: Record<string, unknown>,
): ManagedFieldsEntry {
  return {
    manager,
    operation,
    apiVersion: 'apps/v1',
    time: '2026-01-01T00:00:00Z',
    fieldsType: 'FieldsV1',
    fieldsV1,
  }
}

const container = (fields: Record<string, unknown>) => ({
  'f:spec': { 'f:containers': { 'k:{"name":"a"}': { '.': {}, ...fields } } },
})

describe('takenOver', () => {
  it('makes every field ours, as of one apply', () => {
    const patch = takenOver(
      object([
        entry('challenge-operator', 'Apply', container({ 'f:image': {} })),
        entry('challenge-operator', 'Update', { 'f:metadata': { 'f:labels': { '.': {}, 'f:app': {} } } }),
        {
          ...entry('kubectl-edit', 'Update', container({ 'f:env': { '.': {} } })),
          time: '2026-01-02T00:00:00Z',
        },
      ]),
    )
    expect(patch).toEqual([
      { op: 'test', path: '/metadata/resourceVersion', value: '7' },
      {
        op: 'replace',
        path: '/metadata/managedFields',
        value: [
          {
            ...entry('challenge-operator', 'Apply', {
              'f:metadata': { 'f:labels': { '.': {}, 'f:app': {} } },
              ...container({ 'f:image': {}, 'f:env': { '.': {} } }),
            }),
            time: '2026-01-02T00:00:00Z',
          },
        ],
      },
    ])
  })

  it('leaves the fields of a subresource with their manager', () => {
    const status = {
      ...entry('kube-controller-manager', 'Update', { 'f:status': {} }),
      subresource: 'status',
    }
    const [, replace] = takenOver(object([status, entry('old-operator', 'Update', {})]))
    expect(replace?.value).toEqual([entry('challenge-operator', 'Apply', {}), status])
  })

  it('leaves finalizers, annotations and labels that are not ours with their manager', () => {
    const foreign = {
      'f:annotations': { '.': {}, 'f:deployment.kubernetes.io/revision': {}, 'f:note': {} },
      'f:finalizers': { '.': {}, 'v:"example.com/hold"': {} },
    }
    const [, replace] = takenOver(
      object([
        entry('kubectl', 'Update', {
          'f:metadata': { ...foreign, 'f:labels': { '.': {}, 'f:app': {}, 'f:mesh': {} } },
          'f:spec': { 'f:replicas': {} },
        }),
      ]),
    )
    expect(replace?.value).toEqual([
      entry('challenge-operator', 'Apply', {
        'f:metadata': { 'f:labels': { '.': {}, 'f:app': {} } },
        'f:spec': { 'f:replicas': {} },
      }),
      entry('kubectl', 'Update', { 'f:metadata': { ...foreign, 'f:labels': { '.': {}, 'f:mesh': {} } } }),
    ])
  })

  it('leaves the restart of the pod and what a controller fills in with their manager', () => {
    const restart = { 'f:annotations': { '.': {}, 'f:kubectl.kubernetes.io/restartedAt': {} } }
    const spec = {
      'f:loadBalancerClass': {},
      'f:ports': { 'k:{"port":80,"protocol":"TCP"}': { '.': {}, 'f:nodePort': {} } },
      'f:template': { 'f:metadata': restart },
    }
    const edited = { 'f:externalIPs': {}, 'f:template': { 'f:spec': { 'f:hostNetwork': {} } } }
    const [, replace] = takenOver(
      object([
        entry('kubectl-rollout', 'Update', { 'f:spec': spec }),
        entry('kubectl-edit', 'Update', { 'f:spec': edited }),
      ]),
    )
    expect(replace?.value).toEqual([
      entry('challenge-operator', 'Apply', { 'f:spec': edited }),
      entry('kubectl-rollout', 'Update', { 'f:spec': spec }),
    ])
  })

  it('takes over an entry of another API version', () => {
    const old = {
      ...entry('kubectl', 'Update', { 'f:spec': { 'f:replicas': {} } }),
      apiVersion: 'apps/v1beta1',
    }
    const [, replace] = takenOver(object([old]))
    expect(replace?.value).toEqual([entry('challenge-operator', 'Apply', { 'f:spec': { 'f:replicas': {} } })])
  })
})

describe('takenOver, when there is nothing to take over', () => {
  const status = { ...entry('kube-controller-manager', 'Update', { 'f:status': {} }), subresource: 'status' }

  it.each([
    ['only we applied', [entry('challenge-operator', 'Apply', { 'f:spec': {} })]],
    ['only we applied, beside a status', [status, entry('challenge-operator', 'Apply', { 'f:spec': {} })]],
    ['no manager is recorded', []],
    [
      'others wrote only what is theirs',
      [
        entry('challenge-operator', 'Apply', { 'f:spec': {} }),
        entry('mesh', 'Update', { 'f:metadata': { 'f:annotations': { '.': {}, 'f:mesh': {} } } }),
      ],
    ],
  ])('returns no patch if %s', (_name, entries) => {
    expect(takenOver(object(entries))).toEqual([])
  })
})
