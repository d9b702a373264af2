import { OperatorError, operatorError } from '../errors.ts'
import { connectionAdvice } from './connection-errors.ts'

/** Returns the five characters that the server gives to each of its errors, or undefined for another error. */
export function sqlState(thrown: unknown): string | undefined {
  const { code, severity } = (thrown ?? {}) as { code?: unknown; severity?: unknown }
  return typeof code === 'string' && severity !== undefined && /^[0-9A-Z]{5}$/.test(code) ? code : undefined
}

interface KnownState {
  states: RegExp
  /** Narrows the states further: by the server's text, or the name of the function of it that raised the error. */
  detail?: { field: 'message' | 'routine'; pattern: RegExp }
  /** Names the failure of the database and its remedy. */
  advice: string
  /** The session must be closed: it is over, or the next statement on it fails in the same way. */
  endsSession?: true
}

/** The SQLSTATEs, or classes of them, that are known. The first match wins. */
const knownStates: readonly KnownState[] = [
  {
    states: /^(42P01|42703|3F000)$/,
    advice: 'lacks our tables, or has old ones; run `challenge-operator migrate`',
  },
  {
    states: /^42501$/,
    advice: 'refuses our role the schema challenge_operator; grant it, or migrate with this role',
  },
  {
    // Postgres, RDS Proxy, PgBouncer.
    states: /^(28000|08P01)$/,
    detail: { field: 'message', pattern: /no encryption|SSL off|requires TLS|SSL required/ },
    advice: 'accepts encrypted connections only; add sslmode=verify-full to DATABASE_URL',
  },
  { states: /^28/, advice: 'refuses our user or password; check DATABASE_URL' },
  { states: /^3D000$/, advice: 'has no database of that name; check DATABASE_URL' },
  { states: /^53/, advice: 'is full (connections, disk or memory); give it more, or put a proxy in front' },
  {
    states: /^25006$/,
    advice: 'is read-only; it is being failed over, or DATABASE_URL does not name the primary',
    endsSession: true,
  },
  {
    states: /^25P03$/,
    advice: 'ended a transaction that waited too long; look for a slow event bus',
    endsSession: true,
  },
  {
    states: /^(57P0|08)/,
    advice: 'ended the connection; it is restarting or being failed over',
    endsSession: true,
  },
  { states: /^(57014|55P03)$/, advice: 'did not answer in time; look for long transactions' },
  {
    states: /^0A000$/,
    detail: { field: 'routine', pattern: /^RevalidateCachedQuery$/ },
    advice: 'changed a table that the session had planned for; it is tried again in a new session',
    endsSession: true,
  },
  { states: /^40/, advice: 'gave up the transaction for another one; it is tried again' },
]

function knownState(thrown: unknown): KnownState | undefined {
  const state = sqlState(thrown)
  if (state === undefined) return undefined
  const { message = '', routine = '' } = thrown as { message?: string; routine?: string }
  return knownStates.find(
    ({ states, detail }) =>
      states.test(state) && (detail === undefined || detail.pattern.test({ message, routine }[detail.field])),
  )
}

/** True for an error of the server after which its session must not be used again. */
export function endsSession(thrown: unknown): boolean {
  return knownState(thrown)?.endsSession === true
}

/**
 * Returns an error of pg, its pool or Kysely as our error. The text of the server may quote values, so only its code is
 * repeated. `DatabaseUnavailable` is retryable: an administrator or the server itself removes the cause, and the rows are
 * written then.
 */
export function storeError(thrown: unknown, signal: AbortSignal): OperatorError {
  if (thrown instanceof OperatorError) return thrown
  const unavailable = (what: string) =>
    new OperatorError('DatabaseUnavailable', `the database ${what}`, { cause: thrown })
  const state = sqlState(thrown)
  const known = knownState(thrown)
  if (known) return unavailable(`${known.advice} (SQLSTATE ${state})`)
  if (signal.aborted) return unavailable('did not answer before the deadline')
  if (state !== undefined) {
    // Class 22: a value that no column can hold. Writing it again cannot help.
    const fate = state.startsWith('22') ? 'permanent' : 'retryable'
    const what = `the database refused what we wrote (SQLSTATE ${state}); its log says why`
    return new OperatorError('Internal', what, { fate, cause: thrown })
  }
  const advice = connectionAdvice(thrown)
  return advice === undefined ? operatorError(thrown) : unavailable(advice)
}
