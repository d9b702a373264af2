import { describe, expect, it } from 'vitest'
import {
  countsAgainstRollout,
  countsAsAttempt,
  isReason,
  passesByItself,
  waitsForDate,
  waitsForTimer,
} from '../../lib/reason-rules.ts'
import { type Reason, reasons } from '../../lib/reasons.ts'

const all = Object.keys(reasons) as Reason[]

describe('the table of reasons', () => {
  it('gives every reason one sentence of its own', () => {
    const sentences = all.map(reason => reasons[reason].sentence)
    expect(sentences.filter(sentence => !/^[A-Z][^.]*\.$/.test(sentence))).toEqual([])
    expect(new Set(sentences).size).toBe(all.length)
  })

  it('lets only an outage use up no attempt', () => {
    expect(all.filter(reason => !countsAsAttempt(reason))).toEqual([
      'DatabaseUnavailable',
      'ClusterUnavailable',
    ])
  })

  it('leaves a roll-out alone when only one instance is concerned', () => {
    expect(all.filter(reason => !countsAgainstRollout(reason))).toEqual([
      'NameInvalid',
      'NameTaken',
      'EnvInvalid',
      'DateInvalid',
      'Contested',
      'Paused',
      'Suspended',
      'Idle',
      'Expired',
      'Terminating',
      'ForeignFinalizer',
    ])
  })

  it('keeps an instance Pending while nothing is wrong with the instance itself', () => {
    expect(all.filter(reason => reasons[reason].whileStalled === 'Pending')).toEqual([
      'TemplateMissing',
      'NotYetAvailable',
      'Paused',
    ])
  })

  it('sets a timer where no watch covers the cause', () => {
    expect(all.filter(waitsForTimer)).toEqual([
      'NameTaken',
      'FlagSecretMissing',
      'QuotaExceeded',
      'PodSecurityRefused',
      'AdmissionRefused',
      'Forbidden',
      'ChallengeUnknown',
      'TeamUnknown',
      'PlatformTablesMissing',
      'OperatorMisconfigured',
      'SchemaOutdated',
      'Terminating',
      'NamespaceStuck',
    ])
  })

  it('leaves the dates to the clock of the forwarder', () => {
    expect(all.filter(waitsForDate)).toEqual(['NotYetAvailable'])
  })

  it('lets a look pass examine what the workload reports, and the pause', () => {
    expect(all.filter(reason => reasons[reason].examinedBy === 'look')).toEqual([
      'Unschedulable',
      'ImagePullFailed',
      'ImageInvalid',
      'CrashLooping',
      'OutOfMemory',
      'Evicted',
      'ProbeFailing',
      'ProgressDeadlineExceeded',
      'Flapping',
      'Paused',
      'Suspended',
      'Idle',
    ])
  })

  it('expects only outages, failures and moments to pass without a change', () => {
    expect(all.filter(passesByItself)).toEqual([
      'DatabaseUnavailable',
      'ClusterUnavailable',
      'Terminating',
      'Internal',
    ])
  })

  it('accepts a reason that it does not know, since another release may have written it', () => {
    expect(isReason('Newer')).toBe(false)
    expect(waitsForTimer('Newer')).toBe(false)
    expect(countsAgainstRollout('Newer')).toBe(true)
  })
})
