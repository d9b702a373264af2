import { request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { sleep } from '../abort.ts'
import type { SecretReference } from '../config/secret-reference.ts'
import type { SecretsConfig } from '../config/secrets.ts'
import { OperatorError, operatorError } from '../errors.ts'
import { awsError } from './aws-error.ts'
import { openSigner } from './signer.ts'
import type { SqsClientOptions } from './sqs-client.ts'

/** Reads the present value of a secret. @throws OperatorError that names the variable of the secret, and no value */
export type ReadSecret = (reference: SecretReference) => Promise<string>

export interface SecretReaderOptions extends SecretsConfig {
  credentials?: SqsClientOptions['credentials']
}

/** Milliseconds for one read with its repetitions. A pass waits for it, and a read takes some 20 ms within a region. */
const readMs = 5_000
/** Milliseconds for one request. A second one may reach another host. */
const requestMs = 2_000
const tries = 3
const pauseMs = 200

interface Call {
  /** The value of `X-Amz-Target`. */
  target: string
  body: (arn: string) => Record<string, unknown>
  valueOf: (answer: Record<string, unknown>) => unknown
  /** The right that the role needs. */
  right: string
  endpointVariable: string
}

const calls: Readonly<Record<SecretReference['service'], Call>> = {
  secretsmanager: {
    target: 'secretsmanager.GetSecretValue',
    body: arn => ({ SecretId: arn }),
    valueOf: ({ SecretString: text, SecretBinary: bytes }) =>
      text ?? (typeof bytes === 'string' ? Buffer.from(bytes, 'base64').toString() : undefined),
    right: 'secretsmanager:GetSecretValue',
    endpointVariable: 'AWS_ENDPOINT_URL_SECRETS_MANAGER',
  },
  ssm: {
    target: 'AmazonSSM.GetParameter',
    body: arn => ({ Name: arn, WithDecryption: true }),
    valueOf: ({ Parameter: parameter }) => (parameter as { Value?: string } | undefined)?.Value,
    right: 'ssm:GetParameter',
    endpointVariable: 'AWS_ENDPOINT_URL_SSM',
  },
}

/**
 * Opens a client for the one call of Secrets Manager, and the one of Systems Manager, that is needed. It signs with the
 * SDK's signer. The SDK's clients of both services would add 300 KB to each bundle.
 */
export function openSecretReader({ endpoints, credentials }: SecretReaderOptions): ReadSecret {
  return async reference => {
    const call = calls[reference.service]
    const deadline = AbortSignal.timeout(readMs)
    const endpoint = endpoints[reference.service] ?? hostOf(reference)
    try {
      const value = call.valueOf(await answerTo(call, { reference, endpoint, credentials }, deadline))
      if (typeof value === 'string' && value !== '') return value
    } catch (thrown) {
      throw readError(thrown, reference, call, deadline)
    }
    throw new OperatorError('OperatorMisconfigured', `${nameOf(reference)} is empty; write a value into it`)
  }
}

function hostOf({ service, region, domain }: SecretReference): string {
  return `https://${service}.${region}.${domain}`
}

/** The ARN stands in the configuration. A status, which anybody may read, gets the name of the variable only. */
function nameOf({ variable }: SecretReference): string {
  return `the secret of ${variable}_SECRET_ARN`
}

function readError(
  thrown: unknown,
  reference: SecretReference,
  { right, endpointVariable }: Call,
  deadline: AbortSignal,
): OperatorError {
  const name = nameOf(reference)
  const target = {
    name,
    addressedBy: `${reference.variable}_SECRET_ARN`,
    right: `${right} on it, and kms:Decrypt where its key is your own`,
    endpointVariable,
  }
  if (deadline.aborted)
    return new OperatorError('Internal', `${name} was not answered within ${readMs / 1000} s`, {
      cause: thrown,
    })
  return awsError(thrown, target, deadline) ?? operatorError(thrown)
}

interface Asked {
  reference: SecretReference
  endpoint: string
  credentials: SqsClientOptions['credentials']
}

async function answerTo(call: Call, asked: Asked, deadline: AbortSignal): Promise<Record<string, unknown>> {
  for (let tried = 1; ; tried += 1) {
    try {
      return await ask(call, asked, AbortSignal.any([deadline, AbortSignal.timeout(requestMs)]))
    } catch (thrown) {
      if (tried >= tries || deadline.aborted || !mayPass(thrown)) throw thrown
      await sleep(pauseMs * tried, deadline)
    }
  }
}

async function ask(
  { target, body: bodyOf }: Call,
  { reference: { arn, service, region }, endpoint, credentials }: Asked,
  signal: AbortSignal,
): Promise<Record<string, unknown>> {
  const url = new URL(endpoint)
  const body = JSON.stringify(bodyOf(arn))
  const signer = await openSigner({ service, region, credentials })
  const { headers } = await signer.sign({
    method: 'POST',
    protocol: url.protocol,
    hostname: url.hostname,
    path: '/',
    headers: { host: url.host, 'content-type': 'application/x-amz-json-1.1', 'x-amz-target': target },
    body,
  })
  const { status, text } = await post(url, { headers, body }, signal)
  const answer = objectIn(text)
  if (status === 200) return answer
  // The text of the answer may quote the request, so only the type of the error is kept.
  const type = String(answer.__type ?? answer.code ?? '').replace(/^.*#/, '')
  throw Object.assign(new Error(`the answer is ${status} ${type}`), { name: type || 'Error', status })
}

function post(
  url: URL,
  { headers, body }: { headers: Record<string, string>; body: string },
  signal: AbortSignal,
): Promise<{ status: number; text: string }> {
  const request = url.protocol === 'https:' ? httpsRequest : httpRequest
  return new Promise((resolve, reject) => {
    const sent = request(url, { method: 'POST', headers, signal }, answer => {
      const parts: Buffer[] = []
      answer.on('data', part => parts.push(part))
      answer.on('end', () =>
        resolve({ status: answer.statusCode ?? 0, text: Buffer.concat(parts).toString() }),
      )
      answer.on('error', reject)
    })
    sent.on('error', reject)
    sent.end(body)
  })
}

function objectIn(text: string): Record<string, unknown> {
  try {
    return JSON.parse(text) ?? {}
  } catch {
    return {}
  }
}

/** Whether another request may be answered: after an error of the network or of the service itself. */
function mayPass(thrown: unknown): boolean {
  const { status, name = '' } = (thrown ?? {}) as { status?: number; name?: string }
  return status === undefined ? name !== 'CredentialsProviderError' : status >= 500 || /Throttl/.test(name)
}
