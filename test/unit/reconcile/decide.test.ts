import { describe, expect, test } from 'vitest'
import { parseOperatorConfig } from '../../../lib/config/operator.ts'
import type { KnownTemplate } from '../../../lib/crd/challenge-template.ts'
import { annotations } from '../../../lib/crd/group.ts'
import { flagFingerprintAnnotation } from '../../../lib/desired/objects/pod.ts'
import { clockSkewMs } from '../../../lib/lifetime.ts'
import { decide, endsInMs } from '../../../lib/reconcile/decide.ts'
import type { Causes } from '../../../lib/reconcile/pass/causes.ts'
import type { ObservedTemplate } from '../../../lib/reconcile/pass/observation.ts'
import {
  flagSecret,
  type InstanceParts,
  recordedChild,
  storedInstance,
  storedTemplate,
  type TemplateParts,
} from '../../support/objects.ts'
import { type Observation, observation, sourceOf } from './observations.ts'

const now = Date.parse('2026-11-21T09:00:00Z')
const config = parseOperatorConfig({ FLAG_SECRET: 'a'.repeat(64) })
const instance = ({ metadata, ...parts }: InstanceParts = {}) =>
  storedInstance({ ...parts, metadata: { creationTimestamp: '2026-11-21T08:00:00Z', ...metadata } })

const template = (spec: TemplateParts['spec'] = {}): ObservedTemplate => ({
  kind: 'read',
  template: storedTemplate({ spec, metadata: { generation: 3 } }),
})
const missing: ObservedTemplate = { kind: 'missing' }

const decided = (parts: Observation = {}) =>
  decide(observation({ instance: instance(), template: template(), ...parts }), config, now)

/** The template that a running instance took up, of an earlier generation than the one that exists. */
const earlier = (spec: TemplateParts['spec'] = {}) =>
  sourceOf(storedTemplate({ spec, metadata: { generation: 2 } }), { exists: false })

describe('decide', () => {
  test('converges an instance with a usable template', () => {
    expect(decided({})).toMatchObject({ kind: 'converge', obstacle: undefined, expiresAt: undefined })
  })

  test('only looks at an instance whose template was not read', () => {
    expect(decided({ template: { kind: 'unread' } })).toEqual({ kind: 'look' })
  })

  test('leaves a paused instance alone, whatever else is wrong', () => {
    const paused = instance({ metadata: { annotations: { [annotations.paused]: 'true' } } })
    expect(decided({ instance: paused, template: missing })).toMatchObject({
      kind: 'leave',
      obstacle: { reason: 'Paused', stalled: true },
    })
  })

  test('leaves an instance without a template as it is and names the template', () => {
    const decision = decided({ template: missing })
    expect(decision).toMatchObject({ kind: 'leave', obstacle: { reason: 'TemplateMissing', stalled: true } })
    expect(JSON.stringify(decision)).toContain('\\"web\\"')
  })

  test('expires an instance whose time is over', () => {
    expect(decided({ template: template({ ttlMinutes: 60 }) })).toMatchObject({ kind: 'expire' })
    expect(decided({ template: template({ ttlMinutes: 61 }) })).toMatchObject({
      kind: 'converge',
      expiresAt: now + 60_000,
    })
  })

  test('expires an instance whose time is over although its template is gone', () => {
    const over = instance({ status: { expiresAt: '2026-11-21T08:59:59Z' } })
    expect(decided({ instance: over, template: missing })).toMatchObject({ kind: 'expire' })
  })

  test('leaves an instance as it is until its challenge opens', () => {
    const closed = template({ availableFrom: '2026-11-21T09:00:10Z' })
    expect(decided({ template: closed })).toMatchObject({
      kind: 'leave',
      availableFrom: now + 10_000,
      obstacle: {
        reason: 'NotYetAvailable',
        message: 'This challenge is not open yet. It opens at 2026-11-21T09:00:10Z.',
        stalled: false,
      },
    })
  })

  test('keeps a running instance when the opening is moved into the future', () => {
    const closed = template({ availableFrom: '2026-11-21T10:00:00Z' })
    const running = instance({ status: { children: [recordedChild()] } })
    expect(decided({ template: closed, instance: running })).toMatchObject({
      kind: 'converge',
      availableFrom: undefined,
    })
  })

  test('reports a template that cannot be used before a missing flag', () => {
    const broken = template({
      exposure: { type: 'Ingress', port: 'shell' },
      flagStrategy: { type: 'static', secretRef: { name: 'flags', key: 'web' } },
    })
    expect(decided({ template: broken })).toMatchObject({
      obstacle: { reason: 'TemplateInvalid', stalled: true },
    })
  })

  test('refuses a placement whose namespace would be that of the instance, unless it runs there', () => {
    const placing = parseOperatorConfig({ OPERATOR_PLACEMENTS: 'Shared,Event', FLAG_SECRET: 'a'.repeat(64) })
    const inside = { metadata: { namespace: 'ctf-event-1' } }
    const decidedFor = (placement: 'Shared' | 'Event', parts: InstanceParts = inside) =>
      decide(observation({ instance: instance(parts), template: template({ placement }) }), placing, now)
    expect(decidedFor('Event')).toMatchObject({
      kind: 'leave',
      obstacle: { reason: 'NameTaken', stalled: false, message: expect.stringContaining('"ctf-event-1"') },
    })
    expect(decidedFor('Shared').kind).toBe('converge')
    expect(decidedFor('Event', { metadata: { namespace: 'ctf-event-2' } }).kind).toBe('converge')
    const children = [recordedChild({ namespace: 'ctf-event-1' })]
    const running = { ...inside, status: { namespace: 'ctf-event-1', children } }
    expect(decidedFor('Event', running).kind).toBe('converge')
  })

  test('waits for the Secret of a flag', () => {
    const referring = template({ flagStrategy: { type: 'static', secretRef: { name: 'flags', key: 'web' } } })
    expect(decided({ template: referring })).toMatchObject({
      kind: 'leave',
      obstacle: { reason: 'FlagSecretMissing', stalled: false },
    })
    expect(decided({ template: referring, source: { flagSecret: flagSecret() } }).kind).toBe('converge')
    expect(
      decided({ template: referring, source: { flagSecret: flagSecret({ other: 'x' }) } }),
    ).toMatchObject({
      obstacle: { reason: 'FlagSecretMissing' },
    })
  })

  test('leaves what is made with keys as it is while they cannot be read, and nothing else', () => {
    const unknown = { ...config, flagSecret: undefined, keysProblem: 'the secret is away' }
    const withoutKeys = (spec: TemplateParts['spec']) =>
      decide(observation({ instance: instance(), template: template(spec) }), unknown, now)
    expect(withoutKeys({})).toMatchObject({ kind: 'converge' })
    for (const spec of [
      { flagStrategy: { type: 'hmac-per-instance' } },
      { flagStrategy: { type: 'static', format: 'flag{x}' } },
      { exposure: { type: 'Ingress' } },
    ] as const)
      expect(withoutKeys(spec)).toMatchObject({
        kind: 'leave',
        obstacle: {
          reason: 'FlagSecretMissing',
          stalled: false,
          message: expect.stringContaining('is away'),
        },
      })
    const over = instance({ spec: { expiresAt: '2026-11-21T08:30:00Z' } })
    const ending = { instance: over, template: template({ flagStrategy: { type: 'hmac-per-instance' } }) }
    expect(decide(observation(ending), unknown, now).kind).toBe('expire')
  })

  test('keeps the flag and the fingerprint of a pod that another FLAG_SECRET made', () => {
    const keptFlag = `flag{${'0'.repeat(32)}}`
    const annotated = {
      spec: { template: { metadata: { annotations: { [flagFingerprintAnnotation]: 'f0' } } } },
    }
    const decision = decided({
      template: template({ flagStrategy: { type: 'hmac-per-instance' } }),
      keptFlag,
      deployment: annotated as never,
    })
    const built = JSON.stringify(decision)
    expect(built).toContain(Buffer.from(keptFlag).toString('base64'))
    expect(built).toContain(`"${flagFingerprintAnnotation}":"f0"`)
  })

  test('refuses the Secret of a flag that is not meant for one, and comes back for it', () => {
    const referring = template({ flagStrategy: { type: 'static', secretRef: { name: 'flags', key: 'web' } } })
    const token = { ...flagSecret(), type: 'kubernetes.io/service-account-token' }
    expect(decided({ template: referring, source: { flagSecret: token } })).toMatchObject({
      kind: 'leave',
      obstacle: { reason: 'FlagSecretRefused', stalled: false, message: expect.stringContaining('"flags"') },
    })
  })

  test('stalls an instance whose env does not fit the template', () => {
    const environment = { reason: 'EnvInvalid', message: 'spec.env LEVEL must be a number.' } as const
    expect(decided({ source: { environment } })).toMatchObject({
      obstacle: { ...{ reason: 'EnvInvalid' }, stalled: true },
    })
  })

  test('builds from the template that the instance took up while its template is gone, and says that it is gone', () => {
    const kept = earlier({ ports: [{ name: 'http', port: 9090 }] })
    const decision = decided({ template: missing, sources: [kept] })
    expect(decision).toMatchObject({
      kind: 'converge',
      source: kept,
      obstacle: { reason: 'TemplateMissing', stalled: true },
    })
    expect(decision).toHaveProperty('desired.url', 'http://web-7.ctf.svc.cluster.local:9090')
  })

  test('stays on the template that the instance took up if the newer one cannot be used, and says why', () => {
    const broken = template({ exposure: { type: 'Ingress', port: 'shell' } })
    const preferred = sourceOf((broken as { template: KnownTemplate }).template)
    const kept = earlier({ ttlMinutes: 61 })
    expect(decided({ template: broken, sources: [preferred, kept] })).toMatchObject({
      kind: 'converge',
      source: kept,
      obstacle: { reason: 'TemplateInvalid', stalled: true },
      expiresAt: now + 60_000,
    })
  })

  describe('says that a newer template waits', () => {
    const inUse = earlier()
    const waits = (parts: Observation = {}) => decided({ sources: [inUse], ...parts })
    const said = instance({ status: { reason: 'RolloutWaiting', message: 'It waits.' } })

    test('if the message says that its roll-out is held, with the numbers', () => {
      expect(waits({ held: { notReady: 3, of: 20 } })).toMatchObject({
        kind: 'converge',
        source: inUse,
        obstacle: { reason: 'RolloutWaiting', stalled: false, message: expect.stringMatching(/20 .* 3 /) },
      })
    })

    test('as long as the instance waits, in the same words', () => {
      expect(waits({ instance: said })).toMatchObject({
        obstacle: { reason: 'RolloutWaiting', message: 'It waits.' },
      })
    })

    test('not before, and not after the instance took it up, nor with Keep', () => {
      expect(waits()).toMatchObject({ obstacle: undefined })
      expect(decided({ instance: said, held: { notReady: 3, of: 20 } })).toMatchObject({
        obstacle: undefined,
      })
      const keep = template({ updateStrategy: 'Keep' })
      expect(waits({ instance: said, template: keep })).toMatchObject({ obstacle: undefined })
    })
  })

  test('ends an instance by the template that it took up', () => {
    const over = earlier({ ttlMinutes: 60 })
    expect(decided({ template: template(), sources: [over] })).toMatchObject({ kind: 'expire' })
    expect(decided({ template: missing, sources: [over] })).toMatchObject({ kind: 'expire' })
  })

  test('only looks at an instance that cannot be built from any template that it may have', () => {
    expect(decided({ sources: [] })).toEqual({ kind: 'look' })
  })

  test('follows the template of an instance whose end was stored as no date, and says what to write', () => {
    const unreadable = instance({ spec: { expiresAt: '2026-11-21T09:00:00+25:00' } })
    const decision = decided({ instance: unreadable, template: template({ ttlMinutes: 120 }) })
    expect(decision).toMatchObject({
      kind: 'converge',
      expiresAt: now + 3_600_000,
      obstacle: { reason: 'DateInvalid', stalled: true },
    })
    expect(decision).toHaveProperty('obstacle.message', expect.stringContaining('2026-11-28T18:00:00Z'))
  })
})

describe('a pass whose message says that the time of the instance is over', () => {
  const expiry = { causes: new Set(['expiry'] as const) }
  const waits = (parts: Observation, pass: Causes = expiry, reached = now) => {
    const observed = observation(parts)
    return endsInMs(observed, decide(observed, config, reached), pass, { now, reached })
  }
  const ends = (afterMs: number) => instance({ spec: { expiresAt: new Date(now + afterMs).toISOString() } })

  test('waits for the end if its own clock is slightly behind', () => {
    expect(waits({ instance: ends(700) })).toBe(700)
    expect(waits({ instance: ends(clockSkewMs) })).toBe(clockSkewMs)
  })

  test('waits for the API server if the end has come by its own clock', () => {
    expect(waits({ instance: ends(-100) }, expiry, now - 400)).toBe(300)
    expect(waits({ instance: ends(100) }, expiry, now - 400)).toBe(100)
  })

  test('does not wait for an end that was moved, that has come, or that a pause holds back', () => {
    expect(waits({ instance: ends(clockSkewMs + 1) })).toBeUndefined()
    expect(waits({ instance: ends(0) })).toBeUndefined()
    const paused = ends(700)
    paused.metadata.annotations = { [annotations.paused]: 'true' }
    expect(waits({ instance: paused })).toBeUndefined()
  })

  test('is the only one that waits', () => {
    expect(waits({ instance: ends(700) }, { causes: new Set(['changed', 'retry'] as const) })).toBeUndefined()
  })
})
