/** The fields of a secret that RDS makes, or Secrets Manager for a database. One that RDS manages itself has the first two. */
interface DatabaseSecret {
  username?: unknown
  password?: unknown
  host?: unknown
  port?: unknown
  dbname?: unknown
  engine?: unknown
}

/** Why a secret gives no address. The sentence shows no value. */
export interface SecretProblem {
  problem: string
}

const variable = 'DATABASE_URL_SECRET_ARN'
const form = 'write the URL, or JSON with username, password, host, port and dbname'

/**
 * Returns the URL of a database from the text of a secret: a URL, or the JSON that RDS writes.
 * @param base a URL without a password. It has what the JSON lacks, and its parameters; the JSON wins.
 */
export function databaseUrlOf(text: string, base: string | undefined): string | SecretProblem {
  const trimmed = text.trim()
  if (/^postgres(ql)?:\/\//.test(trimmed))
    return URL.parse(trimmed)
      ? trimmed
      : { problem: `the secret of ${variable} is no URL that can be read; ${form}` }
  const secret = objectIn(trimmed)
  if (secret === undefined)
    return { problem: `the secret of ${variable} is neither a Postgres URL nor JSON; ${form}` }
  if (typeof secret.DATABASE_URL === 'string') return databaseUrlOf(secret.DATABASE_URL, base)
  return composed(secret, base)
}

function composed(
  { username, password, host, port, dbname, engine }: DatabaseSecret,
  base: string | undefined,
): string | SecretProblem {
  if (typeof engine === 'string' && !/postgres/.test(engine))
    return { problem: `the secret of ${variable} is of a database that is no Postgres` }
  const url = new URL(base ?? 'postgres://host.invalid?sslmode=verify-full')
  const lacking = [
    ...(isText(username) ? [] : ['username']),
    ...(isText(password) ? [] : ['password']),
    ...(isText(host) || base !== undefined ? [] : ['host']),
    ...(isText(dbname) || url.pathname.length > 1 ? [] : ['dbname']),
  ]
  if (lacking.length > 0)
    return {
      problem: `the secret of ${variable} lacks ${lacking.join(', ')}; add it, or give the rest as DATABASE_URL without a password`,
    }
  url.username = encodeURIComponent(String(username))
  url.password = encodeURIComponent(String(password))
  if (isText(host)) url.hostname = String(host)
  if (Number.isInteger(Number(port ?? Number.NaN))) url.port = String(port)
  if (isText(dbname)) url.pathname = `/${encodeURIComponent(String(dbname))}`
  return url.href
}

function isText(value: unknown): boolean {
  return typeof value === 'string' && value !== ''
}

function objectIn(text: string): (DatabaseSecret & Record<string, unknown>) | undefined {
  try {
    const value = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined
  } catch {
    return undefined
  }
}
