import { expect, test } from 'vitest'
import type { Deployment, Stored } from '../../../../lib/crd/objects.ts'
import { childVersion, isSameVersion } from '../../../../lib/observed/child-version.ts'
import { recordedAsTried } from '../../../../lib/reconcile/act/refused-pods.ts'
import { recordedChild } from '../../../support/objects.ts'

function deployment(generation: number, replicas: number): Stored<Deployment> {
  const creationTimestamp = '2026-11-29T10:00:00Z'
  const key = {
    name: 'web-7',
    namespace: 'ctf',
    uid: 'u',
    resourceVersion: `${generation}`,
    creationTimestamp,
  }
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { ...key, generation },
    spec: { replicas } as Deployment['spec'],
  }
}

const other = recordedChild({ kind: 'Service', version: '9' })

test('the annotation that has refused pods tried again is part of the record', () => {
  const recorded = recordedChild({ version: childVersion(deployment(1, 1)) })
  const [child, service] = recordedAsTried([recorded, other], deployment(2, 1))
  expect(child?.version).toBe(childVersion(deployment(2, 1)))
  expect(service).toEqual(other)
})

test('a change by hand that is still to be undone does not become the record', () => {
  const recorded = recordedChild({ version: childVersion(deployment(1, 1)) })
  const [child] = recordedAsTried([recorded], deployment(3, 5))
  expect(isSameVersion(child?.version ?? '', childVersion(deployment(3, 5)))).toBe(false)
})
