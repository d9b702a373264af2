import { describe, expect, it } from 'vitest'
import { type Attempt, apiError } from '../../../../lib/kubernetes/errors/api-error.ts'

const create: Attempt = {
  verb: 'create',
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  namespace: 'ctf',
  name: 'web',
}
const now = Date.parse('2026-01-01T00:00:00Z')

function refused(code: number, message: string, more: Record<string, unknown> = {}, attempt = create) {
  const body = { kind: 'Status', apiVersion: 'v1', status: 'Failure', message, code, ...more }
  const {
    reason,
    fate,
    message: text,
    retryAfterMs,
  } = apiError(attempt, { status: code, body, headers: {} }, now)
  return { reason, fate, text, retryAfterMs }
}

// The sentences are those of a 1.36 API server.
describe('the reason of apiError', () => {
  it.each([
    [
      'QuotaExceeded',
      403,
      'pods "web" is forbidden: exceeded quota: event, requested: pods=1, used: pods=2, limited: pods=2',
    ],
    [
      'PodSecurityRefused',
      403,
      'pods "web" is forbidden: violates PodSecurity "baseline:latest": privileged',
    ],
    ['AdmissionRefused', 403, 'admission webhook "policy.example.com" denied the request: no'],
    ['AdmissionRefused', 400, 'admission webhook "policy.example.com" denied the request: no'],
    [
      'AdmissionRefused',
      422,
      `deployments.apps "web" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no`,
    ],
    [
      'Forbidden',
      403,
      'deployments.apps is forbidden: User "x" cannot create resource "deployments" in API group "apps"',
    ],
    ['Forbidden', 401, 'Unauthorized'],
    ['QuotaExceeded', 500, 'Internal error occurred: failed to allocate a nodePort: range is full'],
    ['QuotaExceeded', 500, 'failed to allocate a HealthCheck NodePort 0: range is full'],
    [
      'QuotaExceeded',
      500,
      'Internal error occurred: failed to allocate a serviceIP for Service "web": range is full',
    ],
    ['ClusterUnavailable', 500, 'Internal error occurred: failed calling webhook "x": connection refused'],
    [
      'ClusterUnavailable',
      409,
      'Operation cannot be fulfilled on resourcequotas "event": the object has been modified',
    ],
    ['ClusterUnavailable', 403, 'pods "web" is forbidden: status unknown for quota: event, resources: pods'],
    ['ClusterUnavailable', 429, 'too many requests'],
    ['ClusterUnavailable', 503, 'etcdserver: leader changed'],
    ['ClusterUnavailable', 410, 'The provided continue parameter is too old'],
    [
      'TemplateInvalid',
      400,
      'Deployment in version "v1" cannot be handled as a Deployment: quantities must match the regular expression',
    ],
    [
      'TemplateInvalid',
      500,
      'failed to convert new object (/a; apps/v1, Kind=Deployment) to proper version: quantities must match the regular expression',
    ],
    ['SchemaOutdated', 404, 'the server could not find the requested resource'],
  ])('is %s for %i %s', (reason, code, message) => {
    expect(refused(code, message)).toMatchObject({ reason })
  })

  it('names the namespace if it is missing or being deleted', () => {
    expect(
      refused(404, 'namespaces "ctf" not found', { details: { name: 'ctf', kind: 'namespaces' } }).reason,
    ).toBe('NamespaceStuck')
    const causes = [{ reason: 'NamespaceTerminating', message: 'namespace ctf is being terminated' }]
    expect(
      refused(403, 'unable to create new content in namespace ctf because it is being terminated', {
        details: { causes },
      }).reason,
    ).toBe('NamespaceStuck')
  })

  it('belongs to a permanent failure only if the template caused it', () => {
    const invalid = (attempt: Attempt) => refused(422, 'is invalid', {}, attempt)
    expect(invalid(create)).toMatchObject({ reason: 'TemplateInvalid', fate: 'permanent' })
    expect(invalid({ ...create, verb: 'patch' })).toMatchObject({ reason: 'Internal', fate: 'retryable' })
    const own = { ...create, apiVersion: 'infra.ctf.example.com/v1alpha1', kind: 'ChallengeInstance' }
    expect(invalid(own)).toMatchObject({ reason: 'Internal', fate: 'retryable' })
  })
})

describe('the message of apiError', () => {
  it('names the call and the missing right', () => {
    const message =
      'secrets is forbidden: User "u" cannot create resource "secrets" in API group "" in the namespace "ctf"'
    expect(refused(403, message, {}, { ...create, kind: 'Secret' }).text).toBe(
      'Cannot create Secret "web" in namespace "ctf": User "u" cannot create resource "secrets" in API group "" in the namespace "ctf".',
    )
  })

  it.each([
    ['Invalid value: "flag{x}": must be lower case', 'spec.f: must be lower case'],
    ['Invalid value: "a \\"quoted\\": flag{x}": must be lower case', 'spec.f: must be lower case'],
    ['Invalid value: {"app":"flag{x}: }"}: does not match', 'spec.f: does not match'],
    [
      'Invalid value: v1.LabelSelector{MatchLabels:map[string]string{"app":"flag{x}"}}: field is immutable',
      'spec.f: field is immutable',
    ],
    ['Invalid value: -5: must be greater than or equal to 0', 'spec.f: must be greater than or equal to 0'],
    ['Invalid value: "flag{x}', 'spec.f: Invalid value'],
    ['Invalid value: flag{x}', 'spec.f: Invalid value'],
    [
      'Unsupported value: "flag{x}": supported values: "TCP", "UDP"',
      'spec.f: supported values: "TCP", "UDP"',
    ],
    ['Duplicate value: "flag{x}"', 'spec.f: Duplicate value'],
    ['Required value', 'spec.f: Required value'],
  ])('contains no value: %s', (message, expected) => {
    const { text } = refused(422, 'x', { details: { causes: [{ field: 'spec.f', message }] } })
    expect(text).toContain(expected)
    expect(text).not.toContain('flag{x}')
  })

  it('stays short for any number of causes', () => {
    const causes = Array.from({ length: 500 }, (_, i) => ({ field: `spec.f${i}`, message: 'x'.repeat(5000) }))
    const { text } = refused(422, 'x'.repeat(100_000), { details: { causes } })
    expect(text.length).toBeLessThan(700)
    expect(text).toContain('and 497 more')
  })

  it('leaves out the page of a proxy', () => {
    const error = apiError(create, { status: 502, body: '<html>secret</html>', headers: {} })
    expect(error.message).toBe('Cannot create Deployment "web" in namespace "ctf": the cluster answered 502.')
  })
})

describe('the wait of apiError', () => {
  it.each([
    ['7', 7_000],
    ['Thu, 01 Jan 2026 00:00:09 GMT', 9_000],
    ['soon', undefined],
    ['86400', 300_000],
  ])('follows the header Retry-After: %s', (value, expected) => {
    const answer = { status: 429, body: undefined, headers: { 'retry-after': value } }
    expect(apiError(create, answer, now).retryAfterMs).toBe(expected)
  })
})
