import { OperatorError } from '../../errors.ts'

/** What we were told about the cluster cannot be used; only other configuration or files help. */
export function unusableConnection(message: string, cause?: unknown): OperatorError {
  return new OperatorError('ConfigInvalid', message, { cause })
}
