import { describe, expect, it } from 'vitest'
import { type Mismatch, mismatchKey } from '../../../../lib/forward/judge/mismatch.ts'

const child = { kind: 'Service', namespace: 'ctf', name: 'team-1', version: '1-a', repairs: undefined }
const template = { uid: 'template-1', generation: 2, keep: false }

const different: Mismatch[] = [
  { kind: 'generation', generation: 1 },
  { kind: 'generation', generation: 2 },
  { kind: 'pause', paused: true, generation: 1 },
  { kind: 'pause', paused: true, generation: 2 },
  { kind: 'pause', paused: false, generation: 2 },
  { kind: 'finalizer-missing' },
  { kind: 'force-sync', wanted: 'a' },
  { kind: 'expired', expiresAt: 1 },
  { kind: 'template', template: undefined },
  { kind: 'template', template },
  { kind: 'template', template: { ...template, generation: 3 } },
  { kind: 'workload', reason: 'Available', failed: false, servingPod: 'pod-1' },
  { kind: 'workload', reason: 'Available', failed: false, servingPod: 'pod-2' },
  { kind: 'workload', reason: 'ImagePullFailed', failed: true, servingPod: undefined },
  { kind: 'children', differing: [{ recorded: child, seen: undefined }], unrecorded: [] },
  { kind: 'children', differing: [{ recorded: { ...child, name: 'b' }, seen: undefined }], unrecorded: [] },
  { kind: 'contest-over' },
  { kind: 'teardown-not-started' },
  { kind: 'teardown-workload-gone' },
  { kind: 'instance-gone' },
]

describe('mismatchKey', () => {
  it('differs for different mismatches', () => {
    expect(new Set(different.map(mismatchKey)).size).toBe(different.length)
  })

  it('is equal for equal mismatches', () => {
    expect(different.map(each => mismatchKey(structuredClone(each)))).toEqual(different.map(mismatchKey))
  })
})
