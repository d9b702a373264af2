/** The fields of an error of Node's sockets, TLS and files, or of pg, that say what happened. */
interface ConnectionError {
  code: string
  message: string
  /** Set for a failed call of the file system. */
  path: string | undefined
}

interface ConnectionProblem {
  matches(error: ConnectionError): boolean
  /** What the database did, and what to do about it. */
  advice(error: ConnectionError): string
}

const codeIs = (pattern: RegExp) => (error: ConnectionError) => pattern.test(error.code)
const messageIs = (pattern: RegExp) => (error: ConnectionError) => pattern.test(error.message)

/** The first match wins. Messages are those of pg and its pool, which give these errors no code. */
const connectionProblems: readonly ConnectionProblem[] = [
  {
    matches: ({ path }) => path !== undefined,
    advice: ({ path, code }) =>
      `cannot be reached: sslrootcert, sslcert or sslkey in DATABASE_URL names the file ${JSON.stringify(path)}, which cannot be read (${code})`,
  },
  {
    matches: codeIs(/^ERR_TLS_CERT_ALTNAME_INVALID$/),
    advice: ({ code }) =>
      `has a certificate for another host (${code}); DATABASE_URL must name the host that the certificate is for`,
  },
  {
    matches: codeIs(/^CERT_(HAS_EXPIRED|NOT_YET_VALID|REVOKED)$/),
    advice: ({ code }) => `has a certificate that is not valid now (${code}); renew it, or check the clock`,
  },
  {
    matches: codeIs(
      /SELF_SIGNED|UNABLE_TO_(VERIFY|GET_ISSUER)|CERT_UNTRUSTED|CERT_SIGNATURE_FAILURE|INVALID_CA/,
    ),
    advice: ({ code }) =>
      `has a certificate of an unknown authority (${code}); name the file with the authority's certificate as sslrootcert in DATABASE_URL, or in NODE_EXTRA_CA_CERTS (RDS has it at https://truststore.pki.rds.amazonaws.com/)`,
  },
  {
    matches: messageIs(/sslmode=verify-ca requires/),
    advice: () =>
      'cannot be reached: uselibpqcompat with sslmode=verify-ca needs sslrootcert in DATABASE_URL; write sslmode=verify-full',
  },
  {
    matches: messageIs(/does not support SSL/),
    advice: () => 'offers no TLS; switch it on there, or remove sslmode from DATABASE_URL',
  },
  {
    matches: codeIs(/^(E[A-Z_]+|CERT_.*|.*_CERT.*|UNABLE_TO_.*)$/),
    advice: ({ code }) => `cannot be reached (${code}); check DATABASE_URL, the network and whether it runs`,
  },
  {
    matches: messageIs(
      /connection|connect\b|Client was closed|not queryable|read timeout|SASL|SSL|TLS|has been closed/i,
    ),
    advice: () => 'cannot be reached, or broke the connection; check DATABASE_URL and whether it runs',
  },
]

/** Returns what to do about an error of the connection itself, or undefined for every other error. */
export function connectionAdvice(thrown: unknown): string | undefined {
  const { code, message, path } = (thrown ?? {}) as Record<string, unknown>
  const error = {
    code: typeof code === 'string' ? code : '',
    message: typeof message === 'string' ? message : '',
    path: typeof path === 'string' ? path : undefined,
  }
  return connectionProblems.find(({ matches }) => matches(error))?.advice(error)
}
