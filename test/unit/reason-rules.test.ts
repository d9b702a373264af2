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

describe('the rules of reasons', () => {
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
      'HostTaken',
      'Paused',
      'Queued',
      'Suspended',
      'Idle',
      'Expired',
      'ClusterLost',
      'Terminating',
      'ForeignFinalizer',
    ])
  })

  it('sets a timer where no watch covers the cause', () => {
    expect(all.filter(waitsForTimer)).toEqual([
      'NameTaken',
      'FlagSecretMissing',
      'FlagSecretRefused',
      'PullSecretUnusable',
      'QuotaExceeded',
      'PodSecurityRefused',
      'AdmissionRefused',
      'Forbidden',
      'HostTaken',
      'ExposureUnsupported',
      'ChallengeUnknown',
      'TeamUnknown',
      'PlatformTablesMissing',
      'OperatorMisconfigured',
      'SchemaOutdated',
      'Queued',
      'Terminating',
      'NamespaceStuck',
    ])
  })

  it('expects only outages, failures and moments to pass without a change', () => {
    expect(all.filter(passesByItself)).toEqual([
      'DatabaseUnavailable',
      'ClusterUnavailable',
      'Terminating',
      'NamespaceStuck',
      'Internal',
    ])
  })

  it('accepts a reason that it does not know, since another release may have written it', () => {
    expect(isReason('Newer')).toBe(false)
    expect(waitsForTimer('Newer')).toBe(false)
    expect(countsAgainstRollout('Newer')).toBe(true)
  })

  it('leaves the dates to the clock of the forwarder', () => {
    expect(all.filter(waitsForDate)).toEqual(['NotYetAvailable'])
  })
})
