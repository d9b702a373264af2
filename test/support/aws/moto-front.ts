import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { GetRolePolicyCommand, IAMClient, ListRolePoliciesCommand } from '@aws-sdk/client-iam'

/** What the front answers by itself, since moto does not. A test changes it. */
export interface FrontAnswers {
  /** Answers an invocation of a function. */
  invoke(functionName: string, event: unknown): Promise<unknown>
  /** Resources of the stack that moto's CloudFormation leaves out. */
  moreResources: { LogicalResourceId: string; ResourceType: string; PhysicalResourceId: string }[]
  /** The cluster, as EKS describes it. */
  cluster: object
  /** The groups of the access entries by the ARN of their role. */
  accessEntries: Map<string, string[]>
  /** Actions of AWS that the user may not do, such as `SimulatePrincipalPolicy`. */
  refused: Set<string>
}

export interface AwsFront {
  endpoint: string
  close(): Promise<void>
}

/**
 * Starts a server before moto. It hands every request on, but for those that moto has no answer to: IAM's simulation, which
 * it computes from the policies in moto, invocations, and what EKS says of access.
 */
export async function startAwsFront(moto: string, answers: FrontAnswers): Promise<AwsFront> {
  const server = createServer((request, response) => {
    answer(request, { moto, answers }).then(
      given => send(response, given),
      error => send(response, { status: 500, text: String(error), type: 'text/plain' }),
    )
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    endpoint: `http://127.0.0.1:${port}`,
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

interface Given {
  status: number
  text: string
  type: string
}

function send(response: ServerResponse, { status, text, type }: Given): void {
  response.writeHead(status, { 'content-type': type })
  response.end(text)
}

const json = (value: unknown): Given => ({
  status: 200,
  text: JSON.stringify(value ?? null),
  type: 'application/json',
})

async function answer(
  request: IncomingMessage,
  { moto, answers }: { moto: string; answers: FrontAnswers },
): Promise<Given> {
  const parts: Buffer[] = []
  for await (const part of request) parts.push(part as Buffer)
  const body = Buffer.concat(parts)
  const url = new URL(request.url ?? '/', moto)
  const parameters = new URLSearchParams(body.toString())
  const action =
    parameters.get('Action') ?? String(request.headers['x-amz-target'] ?? '').replace(/^.*\./, '')
  if (answers.refused.has(action)) return refusal('AccessDenied', 403)
  if (action === 'SimulatePrincipalPolicy') return simulate(parameters, moto)
  const path = decodeURIComponent(url.pathname)
  const invoked = /\/functions\/([^/]+)\/invocations$/.exec(path)?.[1]
  if (invoked !== undefined) return json(await answers.invoke(invoked, JSON.parse(body.toString())))
  if (/^\/clusters\/[^/]+$/.test(path)) return json({ cluster: answers.cluster })
  const principal = /^\/clusters\/[^/]+\/access-entries\/(.+)$/.exec(path)?.[1]
  if (principal !== undefined) return accessEntry(principal, answers)
  const given = await forward(request, { url, body })
  return action === 'ListStackResources' ? { ...given, text: withResources(given.text, answers) } : given
}

async function forward(request: IncomingMessage, { url, body }: { url: URL; body: Buffer }): Promise<Given> {
  const dropped = ['host', 'connection', 'content-length', 'expect', 'transfer-encoding']
  const headers = Object.entries(request.headers).filter(([name]) => !dropped.includes(name))
  const method = request.method ?? 'GET'
  const forwarded = await fetch(url, {
    method,
    headers: Object.fromEntries(headers.map(([name, value]) => [name, String(value)])),
    ...(method === 'GET' ? {} : { body }),
  })
  const type = forwarded.headers.get('content-type') ?? 'application/json'
  return { status: forwarded.status, text: await forwarded.text(), type }
}

function accessEntry(principal: string, { accessEntries }: FrontAnswers): Given {
  const kubernetesGroups = accessEntries.get(principal)
  if (kubernetesGroups !== undefined) return json({ accessEntry: { kubernetesGroups } })
  const text = JSON.stringify({ __type: 'ResourceNotFoundException', message: 'no entry' })
  return { status: 404, text, type: 'application/json' }
}

function withResources(text: string, { moreResources }: FrontAnswers): string {
  const members = moreResources.map(
    each =>
      `<member>${Object.entries({
        ...each,
        ResourceStatus: 'CREATE_COMPLETE',
        LastUpdatedTimestamp: '2026-11-30T00:00:00Z',
      })
        .map(([name, value]) => `<${name}>${value}</${name}>`)
        .join('')}</member>`,
  )
  return text.replace('</StackResourceSummaries>', `${members.join('')}</StackResourceSummaries>`)
}

interface Statement {
  Effect: string
  Action: string | string[]
  Resource: string | string[]
  Condition?: Record<string, Record<string, string | string[]>>
}

async function simulate(parameters: URLSearchParams, moto: string): Promise<Given> {
  const role = parameters.get('PolicySourceArn')?.replace(/^.*\//, '') ?? ''
  const statements = await statementsOf(role, moto)
  if (statements === undefined) return refusal('NoSuchEntity', 404)
  const resource = parameters.get('ResourceArns.member.1') ?? '*'
  const context = parameters.get('ContextEntries.member.1.ContextKeyValues.member.1')
  const actions = [...parameters]
    .filter(([name]) => name.startsWith('ActionNames.'))
    .map(([, value]) => value)
  const members = actions.map(action => {
    const matching = statements.filter(each => matches(each, { action, resource, context }))
    const decision = matching.some(({ Effect }) => Effect === 'Deny')
      ? 'explicitDeny'
      : matching.length > 0
        ? 'allowed'
        : 'implicitDeny'
    return `<member><EvalActionName>${action}</EvalActionName><EvalDecision>${decision}</EvalDecision></member>`
  })
  const text = `<SimulatePrincipalPolicyResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><SimulatePrincipalPolicyResult><IsTruncated>false</IsTruncated><EvaluationResults>${members.join('')}</EvaluationResults></SimulatePrincipalPolicyResult></SimulatePrincipalPolicyResponse>`
  return { status: 200, text, type: 'text/xml' }
}

function refusal(code: string, status: number): Given {
  const text = `<ErrorResponse><Error><Type>Sender</Type><Code>${code}</Code><Message>refused</Message></Error></ErrorResponse>`
  return { status, text, type: 'text/xml' }
}

async function statementsOf(RoleName: string, endpoint: string): Promise<Statement[] | undefined> {
  const credentials = { accessKeyId: 'test', secretAccessKey: 'test' }
  const iam = new IAMClient({ endpoint, credentials, region: 'us-east-1' })
  try {
    const { PolicyNames = [] } = await iam.send(new ListRolePoliciesCommand({ RoleName }))
    const documents = await Promise.all(
      PolicyNames.map(PolicyName => iam.send(new GetRolePolicyCommand({ RoleName, PolicyName }))),
    )
    // moto's CloudFormation keeps the policies of a role in the form of Python.
    return documents.flatMap(
      ({ PolicyDocument = '' }) =>
        (JSON.parse(decodeURIComponent(PolicyDocument).replaceAll("'", '"')) as { Statement: Statement[] })
          .Statement,
    )
  } catch (thrown) {
    if (/NoSuchEntity/.test((thrown as Error).name)) return undefined
    throw thrown
  }
}

function matches(
  { Action, Resource, Condition }: Statement,
  { action, resource, context }: { action: string; resource: string; context: string | null },
): boolean {
  const values = Object.values(Condition ?? {})
    .flatMap(each => Object.values(each))
    .flat()
  // A condition on what the question does not tell is not met.
  if (values.length > 0 && (context === null || !values.includes(context))) return false
  // On AWS the ARN of a log group that a template gets ends in `:*`, and in moto it does not.
  const resources = [Resource].flat().map(each => (each.includes(':log-group:') ? `${each}*` : each))
  return [Action].flat().some(each => like(each, action)) && resources.some(each => like(each, resource))
}

function like(pattern: string, text: string): boolean {
  const escaped = pattern
    .replaceAll(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.')
  return new RegExp(`^${escaped}$`, 'i').test(text)
}
