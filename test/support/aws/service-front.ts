import { once } from 'node:events'
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { authenticated, type Iam, type Permission, Refused, type RoleSession } from './iam.ts'

/** One call of a function to a service of AWS. */
export interface AwsCall {
  session: RoleSession | undefined
  /** As IAM names it, such as `sqs:SendMessage`. */
  action: string
  resources: string[]
  /** Epoch milliseconds. */
  at: number
  body: string
  refusal?: string
}

export interface ServiceFront {
  /** The value of `AWS_ENDPOINT_URL`. */
  endpoint: string
  readonly calls: readonly AwsCall[]
  /** Says which calls are answered with 503. */
  isAway: (call: AwsCall) => boolean
  /** Lets the roles of a stack do what their policies allow. Before, everything is refused. */
  admit(iam: Iam): void
  /** Closes the connections on which nothing is under way. */
  cut(): void
  stop(): Promise<void>
}

export interface ServiceFrontOptions {
  region: string
  account: string
  /** URLs of the servers that answer. */
  sqs: string
  events: string
  /** The values of secrets, by ARN. */
  secrets: Readonly<Record<string, string>>
}

type Place = Pick<ServiceFrontOptions, 'region' | 'account'>

interface Service {
  name: 'sqs' | 'events' | 'secretsmanager'
  /** What a request is about, and what the conditions of policies judge. */
  subjectsOf(body: Record<string, unknown>, place: Place): Omit<Permission, 'action'>[]
}

/** By the first part of `X-Amz-Target`. */
const services: Readonly<Record<string, Service>> = {
  AmazonSQS: {
    name: 'sqs',
    subjectsOf: ({ QueueUrl }, { region, account }) => [
      { resource: `arn:aws:sqs:${region}:${account}:${String(QueueUrl).split('/').at(-1)}` },
    ],
  },
  AWSEvents: {
    name: 'events',
    subjectsOf: ({ Entries, Name }, { region, account }) =>
      // A question about the bus has its name, and no events.
      ((Entries ?? [{ EventBusName: Name, Source: '' }]) as { EventBusName: string; Source: string }[]).map(
        ({ EventBusName, Source }) => ({
          resource: `arn:aws:events:${region}:${account}:event-bus/${EventBusName}`,
          context: { 'events:source': Source },
        }),
      ),
  },
  secretsmanager: {
    name: 'secretsmanager',
    subjectsOf: ({ SecretId }) => [{ resource: String(SecretId) }],
  },
}

/**
 * Starts what stands for the endpoints of SQS, EventBridge and Secrets Manager. It checks the signature of each call, and
 * whether the policies of the caller's role allow it, as AWS does. Then a queue server and an event bus answer, which check
 * neither.
 */
export async function startServiceFront(options: ServiceFrontOptions): Promise<ServiceFront> {
  const calls: AwsCall[] = []
  let admitted: Iam | undefined

  function judge(incoming: IncomingMessage, call: AwsCall, { name: service, subjectsOf }: Service): void {
    if (admitted === undefined) throw new Refused('UnrecognizedClientException', 'nobody is known yet')
    const url = new URL(incoming.url ?? '/', front.endpoint)
    const { method = '', headers } = incoming
    const signedFor = { region: options.region, service, now: Date.now() }
    call.session = authenticated(admitted, { method, url, headers, body: call.body }, signedFor)
    const { action } = call
    for (const subject of subjectsOf(JSON.parse(call.body), options))
      admitted.authorize(call.session, { action, ...subject })
    if (front.isAway(call)) throw new Refused('ServiceUnavailable', 'a test wants it', 503)
  }

  async function answer(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const body = (await buffer(incoming)).toString()
    const [prefix = '', operation = ''] = String(incoming.headers['x-amz-target']).split('.')
    const service = services[prefix.replace(/_.*$/, '')]
    if (service === undefined) return refuse(outgoing, new Refused('UnknownOperationException', prefix))
    const call: AwsCall = {
      session: undefined,
      // A right covers the batches, too.
      action: `${service.name}:${operation.replace(/Batch$/, '')}`,
      resources: service.subjectsOf(JSON.parse(body), options).map(({ resource }) => resource),
      at: Date.now(),
      body,
    }
    calls.push(call)
    try {
      judge(incoming, call, service)
    } catch (thrown) {
      if (!(thrown instanceof Refused)) throw thrown
      call.refusal = `${thrown.code}: ${thrown.message}`
      return refuse(outgoing, thrown)
    }
    if (service.name === 'secretsmanager')
      return giveSecret(outgoing, options.secrets[call.resources[0] ?? ''])
    pass(incoming, outgoing, { body, target: options[service.name] })
  }

  const server = createServer((incoming, outgoing) => {
    // A caller that has gone needs no answer.
    answer(incoming, outgoing).catch(() => outgoing.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const front: ServiceFront = {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls,
    isAway: () => false,
    cut: () => server.closeIdleConnections(),
    admit(iam) {
      admitted = iam
    },
    async stop() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
  return front
}

function refuse(outgoing: ServerResponse, { code, message, status }: Refused): void {
  // A signature that is wrong is answered with 403, too.
  outgoing.writeHead(status === 401 ? 403 : status, { 'content-type': 'application/x-amz-json-1.0' })
  outgoing.end(JSON.stringify({ __type: code, message }))
}

function giveSecret(outgoing: ServerResponse, value: string | undefined): void {
  outgoing.writeHead(value === undefined ? 400 : 200, { 'content-type': 'application/x-amz-json-1.1' })
  outgoing.end(
    JSON.stringify(value === undefined ? { __type: 'ResourceNotFoundException' } : { SecretString: value }),
  )
}

function pass(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  { body, target }: { body: string; target: string },
): void {
  const { method, headers, url = '/' } = incoming
  const passed = request(
    new URL(url, target),
    { method, headers: { ...headers, host: new URL(target).host } },
    answer => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(outgoing)
    },
  )
  passed.on('error', () => outgoing.destroy())
  // A long poll whose caller has gone must not receive a message.
  outgoing.on('close', () => passed.destroy())
  passed.end(body)
}
