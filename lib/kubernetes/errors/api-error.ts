import { group } from '../../crd/group.ts'
import { OperatorError } from '../../errors.ts'
import type { Reason } from '../../reasons.ts'
import { refusalReason, refusalText, shortened } from '../../refusal.ts'
import type { ApiResponse } from '../client/http.ts'
import { type ApiStatus, apiStatus, retryAfterMs } from './api-status.ts'
import { fieldErrors } from './field-errors.ts'

export type Verb = 'get' | 'list' | 'watch' | 'create' | 'apply' | 'patch' | 'delete' | 'update'

/** The call that was made, as a message names it. */
export interface Attempt {
  verb: Verb
  apiVersion: string
  kind: string
  namespace?: string | undefined
  /** Absent for a collection. */
  name?: string | undefined
}

/**
 * Translates a refusal of the API server. Only this function does so. It reads the Status of the answer and cuts out the
 * values of fields, which may be secret.
 */
export function apiError(attempt: Attempt, response: ApiResponse, now = Date.now()): OperatorError {
  const status = apiStatus(response.body, response.status)
  const refusal = refusalOf(attempt, status)
  const wait = retryAfterMs(response, now)
  return new OperatorError(refusal.reason, refusal.message, {
    fate: refusal.permanent ? 'permanent' : 'retryable',
    ...(wait === undefined ? {} : { retryAfterMs: wait }),
  })
}

interface Refusal {
  reason: Reason
  message: string
  permanent?: boolean
}

function refusalOf(attempt: Attempt, status: ApiStatus): Refusal {
  const { code, message } = status
  const what = attemptText(attempt)
  const admission = admissionRefusal(status)
  // A policy chooses its own status code, so the message decides.
  if (admission) return { reason: admission.reason, message: `Cannot ${what}: ${admission.text}` }
  if (status.causes.some(cause => cause.reason === 'NamespaceTerminating'))
    return { reason: 'NamespaceStuck', message: `Cannot ${what}: its namespace is being deleted.` }
  if (/status unknown for quota/.test(message))
    return unavailable(`Cannot ${what} yet: the cluster has not counted its quota so far.`)
  const exhausted = exhaustedRange(message)
  if (exhausted)
    return {
      reason: 'QuotaExceeded',
      message: `Cannot ${what}: the cluster has no ${exhausted} left; the organisers need to free some, or to widen its range.`,
    }
  if (invalid(status)) return invalidity(attempt, status)
  switch (code) {
    case 401:
      return { reason: 'Forbidden', message: `Cannot ${what}: the cluster does not accept our credentials.` }
    case 403:
      return { reason: 'Forbidden', message: `Cannot ${what}: ${rightsText(attempt, message)}` }
    case 404:
      return missing(attempt, status)
    case 409:
      return unavailable(`Cannot ${what} yet: it was changed at the same time.`)
    case 410:
      return unavailable(`Cannot ${what}: the list took so long that its version expired; start it again.`)
    case 429:
      return unavailable(`Cannot ${what} yet: the cluster has too much to do.`)
  }
  if (code >= 500 || code === 408)
    return unavailable(`Cannot ${what}: the cluster answered ${codeText(status)}.`)
  return { reason: 'Internal', message: `Cannot ${what}: the cluster answered ${codeText(status)}.` }
}

/**
 * Returns what a cluster has run out of: Services get their ports and addresses from a range. Such an answer is a 500. A
 * Service of type LoadBalancer needs a second node port, for health checks.
 */
function exhaustedRange(message: string): string | undefined {
  if (/failed to allocate (a nodePort|a HealthCheck NodePort)/.test(message)) return 'node port'
  return /failed to allocate a serviceIP/.test(message) ? 'address for a Service' : undefined
}

function unavailable(message: string): Refusal {
  return { reason: 'ClusterUnavailable', message }
}

/** Returns the reason for a refusal by quota, Pod Security, a webhook or a policy. The message tells them apart. */
function admissionRefusal({ code, message }: ApiStatus): { reason: Reason; text: string } | undefined {
  if (code >= 500) return undefined
  const reason = refusalReason(message)
  return reason && { reason, text: refusalText(message) }
}

/**
 * Returns whether the object itself is invalid. An object that cannot be decoded is refused with 400 before its
 * validation. An apply of such an object is answered with 500.
 */
function invalid({ code, message }: ApiStatus): boolean {
  if (code === 400 || code === 422 || code === 413) return true
  return code === 500 && /^failed to (convert new object|create typed (patch|live) object)/.test(message)
}

function invalidity(attempt: Attempt, status: ApiStatus): Refusal {
  const fields = fieldErrors(status.causes)
  const why = status.code === 413 ? 'it is too large' : fields || decodeText(status.message)
  const message = `The cluster refuses to ${attemptText(attempt)}: ${why}.`
  // An invalid read, patch or resource of our group is a mistake of ours. Any other object was built from a template.
  const ours = attempt.apiVersion.startsWith(`${group}/`)
  const written = attempt.verb === 'create' || attempt.verb === 'apply'
  if (ours || !written) return { reason: 'Internal', message }
  return { reason: 'TemplateInvalid', message, permanent: true }
}

/** Returns the known part of a decoding error. The rest of its text may quote a value. */
function decodeText(message: string): string {
  const known = message.match(
    /quantities must match the regular expression|\S+: field not declared in schema|illegal base64 data|cannot unmarshal \w+ into Go (?:struct field|value of type) \S+|strict decoding error|duplicate entries for key/,
  )?.[0]
  return known ?? 'it is not valid'
}

function missing(attempt: Attempt, { details }: ApiStatus): Refusal {
  const what = attemptText(attempt)
  if (details.kind === 'namespaces' && attempt.kind !== 'Namespace')
    return { reason: 'NamespaceStuck', message: `Cannot ${what}: its namespace does not exist.` }
  if (details.name !== undefined) return { reason: 'Internal', message: `Cannot ${what}: it does not exist.` }
  return {
    reason: 'SchemaOutdated',
    message: `Cannot ${what}: the cluster does not serve ${attempt.kind} of ${attempt.apiVersion}; install its CRD.`,
  }
}

/** The number of characters of RBAC's sentence that a message shows. */
const longestRights = 300

/** Returns the sentence of RBAC, which names user, verb and resource, and so everything that a role needs. */
function rightsText(attempt: Attempt, message: string): string {
  const denied = message.match(/User ".*?" cannot \w+ resource .*/)?.[0]
  return denied ? `${shortened(denied, longestRights)}.` : `we lack the right to ${attempt.verb} it.`
}

export function attemptText({ verb, kind, namespace, name }: Attempt): string {
  const what = name === undefined ? `${kind} objects` : `${kind} "${name}"`
  return `${verb} ${what}${namespace === undefined ? '' : ` in namespace "${namespace}"`}`
}

function codeText({ code, reason }: ApiStatus): string {
  return reason === '' ? String(code) : `${code} (${reason.slice(0, 60)})`
}
