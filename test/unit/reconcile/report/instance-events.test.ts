import { describe, expect, it } from 'vitest'
import type { ChallengeInstanceStatus } from '../../../../lib/crd/challenge-instance.ts'
import { type Reason, reasons } from '../../../../lib/reasons.ts'
import type { ChildWrite } from '../../../../lib/reconcile/act/acted.ts'
import { type Happened, instanceEvents } from '../../../../lib/reconcile/report/instance-events.ts'
import { recordedChild } from '../../../support/objects.ts'

type Status = ChallengeInstanceStatus

const children = [recordedChild(), recordedChild({ kind: 'Service' })]
const pending: Status = { phase: 'Pending' }
const provisioning: Status = { phase: 'Provisioning', children, message: 'The challenge is starting.' }
const ready: Status = { ...provisioning, phase: 'Ready', url: 'http://web', podName: 'web-x' }
const idle: Status = {
  ...provisioning,
  phase: 'Idle',
  reason: 'Suspended',
  message: 'The challenge is hibernated.',
}
const failed: Status = {
  ...provisioning,
  phase: 'Failed',
  reason: 'CrashLooping',
  message: 'It exits with 1.',
  podName: 'web-x',
}
const terminating: Status = { ...provisioning, phase: 'Terminating', reason: 'Terminating' }
const missing: Status = { phase: 'Pending', reason: 'TemplateMissing', message: 'No template.' }
/** The reason comes with the limits of instances. */
const queued: Status = {
  phase: 'Pending',
  reason: 'Queued' as Reason,
  message: 'The limit of the team is 1.',
}

const eventsOf = (before: Status | undefined, after: Status, more: Partial<Happened> = {}) =>
  instanceEvents({ before, after, ...more }).map(
    ({ on, type, reason, note }) => `${on === 'template' ? 'template ' : ''}${type} ${reason}: ${note}`,
  )

describe('instanceEvents', () => {
  it('has one event for a plain start', () => {
    const statuses = [undefined, provisioning, provisioning, ready, ready]
    const events = statuses.slice(1).flatMap((after, index) => eventsOf(statuses[index], after as Status))
    expect(events).toEqual(['Normal Ready: The challenge is running: http://web'])
    expect(instanceEvents({ before: provisioning, after: ready })).toMatchObject([{ pod: 'web-x' }])
  })

  it('has none for a start that waits for its address, and one for an address that is lost', () => {
    const waiting: Status = { ...provisioning, reason: 'AddressPending', message: 'Waits.' }
    expect(eventsOf(undefined, waiting)).toEqual([])
    expect(eventsOf(waiting, ready)).toEqual(['Normal Ready: The challenge is running: http://web'])
    const lost: Status = { ...ready, reason: 'AddressPending', message: 'No address.' }
    expect(eventsOf(ready, lost)).toEqual(['Warning AddressPending: No address.'])
  })

  it.each<[string, Status | undefined, Status, string[]]>([
    ['a trouble', provisioning, failed, ['Warning CrashLooping: It exits with 1.']],
    ['the end of a trouble', failed, ready, ['Normal Ready: The challenge is running: http://web']],
    [
      'the end of a trouble beside a workload that serves',
      { ...ready, reason: 'Contested', message: 'Contested.' },
      ready,
      ['Normal Ready: The challenge is running: http://web'],
    ],
    ['a missing template', undefined, missing, ['Warning TemplateMissing: No template.']],
    [
      'a start that was kept from it',
      missing,
      provisioning,
      ['Normal Created: Made Deployment and Service. The challenge is starting.'],
    ],
    ['an instance that waits for room', pending, queued, ['Normal Queued: The limit of the team is 1.']],
    [
      'an instance that got room',
      queued,
      provisioning,
      ['Normal Admitted: There is room now, and the challenge starts.'],
    ],
    ['a queued instance that is deleted', queued, { ...terminating, children: [] }, []],
    ['a hibernation', ready, idle, ['Normal Hibernated: The challenge is hibernated.']],
    ['waking', idle, provisioning, ['Normal Woken: The challenge is starting again.']],
    ['a hibernated instance that is deleted', idle, terminating, []],
    [
      'a warning of the end',
      ready,
      { ...ready, warnedOf: '2026-11-29T10:00:00Z' },
      ['Normal Expiring: The time of this instance is over at 2026-11-29T10:00:00Z.'],
    ],
    ['the same warning in the next pass', { ...ready, warnedOf: 'x' }, { ...ready, warnedOf: 'x' }, []],
    [
      'a date that lies ahead',
      undefined,
      { ...pending, reason: 'NotYetAvailable', message: 'It opens later.' },
      ['Normal NotYetAvailable: It opens later.'],
    ],
    ['a deletion', ready, terminating, []],
  ])('tells of %s', (_, before, after, expected) => {
    const events = eventsOf(before, after)
    expect(events.filter(event => !event.startsWith('template '))).toEqual(expected)
    expect(eventsOf(after, after)).toEqual([])
  })

  it('tells of the end of an instance', () => {
    const before: Status = { ...ready, expiresAt: '2026-11-29T10:00:00Z' }
    const after: Status = { ...before, phase: 'Terminating', reason: 'Terminating' }
    expect(eventsOf(before, after, { expired: true })).toEqual([
      'Normal Expired: The time of this instance was over at 2026-11-29T10:00:00Z.',
    ])
    expect(eventsOf(before, after)).toEqual([])
    expect(eventsOf(after, after, { expired: true })).toEqual([])
  })

  it('tells the template of what is about it, and not of what is about one instance or the cluster', () => {
    expect(eventsOf(provisioning, failed)).toContain('template Warning CrashLooping: It exits with 1.')
    const env: Status = { ...pending, phase: 'Failed', reason: 'EnvInvalid', message: 'Wrong.' }
    expect(eventsOf(undefined, env)).toEqual(['Warning EnvInvalid: Wrong.'])
    const quota: Status = { ...failed, reason: 'QuotaExceeded', message: 'Full.' }
    expect(eventsOf(provisioning, quota)).toEqual(['Warning QuotaExceeded: Full.'])
  })

  it('tells the template that its roll-out is held', () => {
    const waiting: Status = { ...ready, reason: 'RolloutWaiting', message: '2 of 9 are not Ready.' }
    expect(eventsOf(ready, waiting)).toEqual([
      'Normal RolloutWaiting: 2 of 9 are not Ready.',
      'template Warning RolloutHeld: 2 of 9 are not Ready.',
    ])
    expect(eventsOf(waiting, ready)).toEqual([])
  })

  it('tells all repairs of a pass in one event, with who had changed what', () => {
    const write = (
      kind: string,
      repair?: ChildWrite['repair'],
      action: ChildWrite['action'] = 'configured',
    ): ChildWrite => ({
      child: recordedChild({ kind }),
      action,
      replacesPods: false,
      ...(repair && { repair }),
    })
    const writes = [
      write('Service', { by: ['kubectl-edit'] }),
      write('Secret', { by: [] }, 'created'),
      write('Ingress'),
    ]
    expect(eventsOf(ready, ready, { writes })).toEqual([
      'Normal Repaired: Put back Service "web-7". It was changed by kubectl-edit. Put back Secret "web-7". It was deleted.',
    ])
    expect(eventsOf(ready, ready, { writes: [write('Ingress')] })).toEqual([])
  })

  it('has a word that the API server takes as a reason for each event, and a note', () => {
    for (const reason of Object.keys(reasons) as Reason[])
      for (const event of instanceEvents({ before: ready, after: { ...failed, reason } })) {
        expect(event.reason).toMatch(/^[A-Z][A-Za-z]+$/)
        expect(event.note).not.toBe('')
      }
  })
})
