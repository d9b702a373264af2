import { describe, expect, it } from 'vitest'
import { type Reason, reasons } from '../../lib/reasons.ts'

const all = Object.keys(reasons) as Reason[]

describe('the table of reasons', () => {
  it('gives every reason one sentence of its own', () => {
    const sentences = all.map(reason => reasons[reason].sentence)
    expect(sentences.filter(sentence => !/^[A-Z][^.]*\.$/.test(sentence))).toEqual([])
    expect(new Set(sentences).size).toBe(all.length)
  })

  it('keeps an instance Pending while nothing is wrong with the instance itself', () => {
    expect(all.filter(reason => reasons[reason].whileStalled === 'Pending')).toEqual([
      'TemplateMissing',
      'NotYetAvailable',
      'Paused',
      'Queued',
    ])
  })

  it('lets a look pass examine what the workload reports, and the pause', () => {
    expect(all.filter(reason => reasons[reason].examinedBy === 'look')).toEqual([
      'Unschedulable',
      'ImagePullFailed',
      'ImageInvalid',
      'ConfigInvalid',
      'CrashLooping',
      'OutOfMemory',
      'Evicted',
      'ProbeFailing',
      'ProgressDeadlineExceeded',
      'Flapping',
      'RouteRejected',
      'AddressPending',
      'HostTaken',
      'ExposureUnsupported',
      'Paused',
      'Suspended',
      'Idle',
      'NoActivitySource',
    ])
  })
})
