import { OperatorError } from '../errors.ts'
import type { Reason } from '../reasons.ts'

type AwsFailure =
  | 'missing'
  | 'rightsRefused'
  | 'credentialsRefused'
  | 'credentialsExpired'
  | 'credentialsMissing'
  | 'throttled'
  | 'unreachable'

/** The names that the SDK gives to its errors, SQS's two spellings among them, and Node's network codes. */
const failures: Readonly<Record<string, AwsFailure>> = {
  QueueDoesNotExist: 'missing',
  'AWS.SimpleQueueService.NonExistentQueue': 'missing',
  ResourceNotFoundException: 'missing',
  ParameterNotFound: 'missing',
  AccessDenied: 'rightsRefused',
  AccessDeniedException: 'rightsRefused',
  DecryptionFailure: 'rightsRefused',
  InvalidClientTokenId: 'credentialsRefused',
  UnrecognizedClientException: 'credentialsRefused',
  ExpiredToken: 'credentialsExpired',
  ExpiredTokenException: 'credentialsExpired',
  CredentialsProviderError: 'credentialsMissing',
  RequestThrottled: 'throttled',
  ThrottlingException: 'throttled',
  TimeoutError: 'unreachable',
  ECONNREFUSED: 'unreachable',
  ECONNRESET: 'unreachable',
  ENOTFOUND: 'unreachable',
  EPIPE: 'unreachable',
}

/** A queue, an event bus or a secret, as its errors name it. */
export interface AwsTarget {
  /** For example `queue changes.fifo`. */
  name: string
  /** The settings that decide which one is addressed. */
  addressedBy: string
  /** The right that the role needs. */
  right: string
  /** The variable that replaces the endpoint. */
  endpointVariable: string
}

/**
 * Returns a failed call of the SDK as our error: the name of the target, what is wrong, what to do. Every one of them is
 * retryable. Returns undefined for a failure that is not in the table.
 */
export function awsError(thrown: unknown, target: AwsTarget, signal: AbortSignal): OperatorError | undefined {
  if (thrown instanceof OperatorError) return thrown
  const cause = { cause: thrown }
  if (signal.aborted) return new OperatorError('Internal', `${target.name}: cut off by the deadline`, cause)
  const { name = '', code = '' } = (thrown ?? {}) as { name?: string; code?: string }
  const failure = failureNamed(name) ?? failureNamed(code)
  if (failure === undefined) return undefined
  const [reason, advice] = adviceOn(failure, target)
  return new OperatorError(reason, `${target.name} ${advice}`, cause)
}

/** Whether AWS knows who we are, and refuses the action. */
export function isRightRefused({ cause }: { cause?: unknown }): boolean {
  return failureNamed((cause as { name?: string } | undefined)?.name ?? '') === 'rightsRefused'
}

function failureNamed(name: string): AwsFailure | undefined {
  return Object.hasOwn(failures, name) ? failures[name] : undefined
}

function adviceOn(failure: AwsFailure, target: AwsTarget): [Reason, string] {
  switch (failure) {
    case 'missing':
      return ['OperatorMisconfigured', `does not exist; check ${target.addressedBy}`]
    case 'rightsRefused':
      return ['Forbidden', `refused our rights; the role needs ${target.right}`]
    case 'credentialsRefused':
      return ['Forbidden', 'refused our credentials; check the role']
    case 'credentialsExpired':
      return ['Forbidden', 'refused our credentials; they have expired']
    case 'credentialsMissing':
      return ['OperatorMisconfigured', 'cannot be asked: no AWS credentials found']
    case 'throttled':
      return ['Internal', 'throttles us; it is tried again']
    case 'unreachable':
      return ['Internal', `could not be reached; check the network and ${target.endpointVariable}`]
  }
}
