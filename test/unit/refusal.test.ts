import { describe, expect, it } from 'vitest'
import { refusalReason, refusalText, withoutValues } from '../../lib/refusal.ts'

// The sentences are those of a 1.36 API server.
describe('refusalReason', () => {
  it.each([
    ['QuotaExceeded', 'pods "web-x" is forbidden: exceeded quota: event, requested: pods=1, used: pods=2'],
    ['QuotaExceeded', 'pods "web-x" is forbidden: failed quota: event: must specify limits.cpu for: web'],
    ['PodSecurityRefused', 'pods "web-x" is forbidden: violates PodSecurity "restricted:latest": …'],
    ['AdmissionRefused', 'admission webhook "policy.example.com" denied the request: no'],
    [
      'AdmissionRefused',
      'pods "web-x" is forbidden: maximum cpu usage per Container is 50m, but limit is 100m',
    ],
    [undefined, 'pods "web-x" is forbidden: User "x" cannot create resource "pods"'],
  ])('is %s for %s', (reason, message) => {
    expect(refusalReason(message)).toBe(reason)
  })
})

describe('refusalText', () => {
  it('has the words of the rule and not the name of the pod', () => {
    expect(refusalText('pods "web-5d8f-x" is forbidden: pod rejected: RuntimeClass "gvisor" not found')).toBe(
      'pod rejected: RuntimeClass "gvisor" not found',
    )
  })

  it('has one line of 300 characters at most', () => {
    const text = refusalText(`admission webhook "w" denied the request: \n\n${'long '.repeat(200)}`)
    expect(text).toMatch(/^admission webhook "w" denied the request: long long/)
    expect(text).toHaveLength(300)
  })

  it('has no value that somebody wrote', () => {
    const message =
      'Pod "web-x" is invalid: [spec.containers[0].env[0].name: Invalid value: "flag{a, b: \\"c\\"}": must be ' +
      'a name, spec.restartPolicy: Unsupported value: "flag{d}": supported values: "Always"]'
    expect(refusalText(message)).toBe(
      '[spec.containers[0].env[0].name: must be a name, spec.restartPolicy: supported values: "Always"]',
    )
  })
})

describe('withoutValues', () => {
  it.each([
    ['a: Invalid value: -1: must be more', 'a: must be more'],
    ['a: Duplicate value: "x"', 'a: Duplicate value'],
    ['a: Invalid value: core.Pod{Name:"flag{x}"}: no', 'a: no'],
    ['a: Invalid value: "flag{x} and "flag{y}', 'a: Invalid value'],
    ['a: Invalid value: flag{x} y: must be z', 'a: Invalid value'],
    ['nothing to hide', 'nothing to hide'],
  ])('turns %s into %s', (text, safe) => {
    expect(withoutValues(text)).toBe(safe)
  })

  it('bears a text with many values', () => {
    expect(withoutValues('a: Invalid value: 1: no, '.repeat(20_000))).not.toContain('1')
  })
})
