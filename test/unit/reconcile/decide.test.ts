import { describe, expect, test } from 'vitest'
import { parseOperatorConfig } from '../../../lib/config/operator.ts'
import { annotations } from '../../../lib/crd/group.ts'
import { decide } from '../../../lib/reconcile/decide.ts'
import type { Observed, ObservedTemplate } from '../../../lib/reconcile/observe.ts'
import {
  type InstanceParts,
  recordedChild,
  storedInstance,
  storedTemplate,
  type TemplateParts,
} from '../../support/objects.ts'

const now = Date.parse('2026-11-21T09:00:00Z')
const config = parseOperatorConfig({ FLAG_SECRET: 'a'.repeat(64) })
const instance = ({ metadata, ...parts }: InstanceParts = {}) =>
  storedInstance({ ...parts, metadata: { creationTimestamp: '2026-11-21T08:00:00Z', ...metadata } })

const template = (spec: TemplateParts['spec'] = {}): ObservedTemplate => ({
  kind: 'read',
  template: storedTemplate({ spec, metadata: { generation: 3 } }),
})
const missing: ObservedTemplate = { kind: 'missing' }

function decided(parts: Partial<Observed>) {
  const observed: Observed = {
    instance: instance(),
    template: template(),
    referencedFlag: undefined,
    environment: { env: {} },
    deployment: undefined,
    pod: undefined,
    verified: new Map(),
    ...parts,
  }
  return decide(observed, config, now)
}

describe('decide', () => {
  test('converges an instance with a usable template', () => {
    expect(decided({})).toMatchObject({ kind: 'converge', keep: false, expiresAt: undefined })
  })

  test('only looks at an instance whose template was not read', () => {
    expect(decided({ template: { kind: 'unread' } })).toEqual({ kind: 'look' })
  })

  test('leaves a paused instance alone, whatever else is wrong', () => {
    const paused = instance({ metadata: { annotations: { [annotations.paused]: 'true' } } })
    expect(decided({ instance: paused, template: missing })).toMatchObject({
      kind: 'hold',
      obstacle: { reason: 'Paused', stalled: true },
    })
  })

  test('holds an instance without a template and names the template', () => {
    const held = decided({ template: missing })
    expect(held).toMatchObject({ kind: 'hold', obstacle: { reason: 'TemplateMissing', stalled: true } })
    expect(JSON.stringify(held)).toContain('\\"web\\"')
  })

  test('expires an instance whose time is over', () => {
    expect(decided({ template: template({ ttlMinutes: 60 }) })).toEqual({ kind: 'expire' })
    expect(decided({ template: template({ ttlMinutes: 61 }) })).toMatchObject({
      kind: 'converge',
      expiresAt: now + 60_000,
    })
  })

  test('expires an instance whose time is over although its template is gone', () => {
    const over = instance({ status: { expiresAt: '2026-11-21T08:59:59Z' } })
    expect(decided({ instance: over, template: missing })).toEqual({ kind: 'expire' })
  })

  test('looks again at an instance when its challenge opens', () => {
    const closed = template({ availableFrom: '2026-11-21T09:00:10Z' })
    expect(decided({ template: closed })).toMatchObject({
      kind: 'hold',
      afterMs: 10_000,
      obstacle: { reason: 'NotYetAvailable', stalled: false },
    })
  })

  test('keeps a running instance when the opening is moved into the future', () => {
    const closed = template({ availableFrom: '2026-11-21T10:00:00Z' })
    expect(
      decided({ template: closed, instance: instance({ status: { children: [recordedChild()] } }) }).kind,
    ).toBe('converge')
  })

  test('reports a template that cannot be used before a missing flag', () => {
    const broken = template({
      exposure: { type: 'Ingress' },
      flagStrategy: { type: 'static', secretRef: { name: 'flags', key: 'web' } },
    })
    expect(decided({ template: broken })).toMatchObject({
      obstacle: { reason: 'TemplateInvalid', stalled: true },
    })
  })

  test('waits for the Secret of a flag', () => {
    const referring = template({ flagStrategy: { type: 'static', secretRef: { name: 'flags', key: 'web' } } })
    expect(decided({ template: referring })).toMatchObject({
      kind: 'hold',
      afterMs: undefined,
      obstacle: { reason: 'FlagSecretMissing', stalled: false },
    })
    expect(decided({ template: referring, referencedFlag: 'flag{x}' }).kind).toBe('converge')
  })

  test('stalls an instance whose env does not fit the template', () => {
    const environment = { reason: 'EnvInvalid', message: 'spec.env LEVEL must be a number.' } as const
    expect(decided({ environment })).toMatchObject({
      obstacle: { ...{ reason: 'EnvInvalid' }, stalled: true },
    })
  })

  test('keeps a workload of an older template, and only that, with updateStrategy Keep', () => {
    const keep = template({ updateStrategy: 'Keep' })
    const started = (hash: string) =>
      instance({
        status: { template: { uid: 'template-uid', generation: 2, hash }, children: [recordedChild()] },
      })
    const fresh = decided({ template: keep })
    expect(fresh).toMatchObject({ kind: 'converge', keep: false })
    expect(decided({ template: keep, instance: started('older') })).toMatchObject({ keep: true })
    const hash = fresh.kind === 'converge' ? fresh.desired.templateHash : ''
    expect(decided({ template: keep, instance: started(hash) })).toMatchObject({ keep: false })
  })
})
