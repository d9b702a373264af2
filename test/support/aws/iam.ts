import { randomBytes } from 'node:crypto'
import type { TemplateResource } from './intrinsics.ts'
import {
  claimInHeader,
  expectedSignature,
  type ReceivedRequest,
  type SignatureClaim,
  signingTime,
} from './signature.ts'

export interface Credentials {
  accessKeyId: string
  secretAccessKey: string
  sessionToken: string
}

/** Temporary credentials of a role, as `sts:AssumeRole` gives them. */
export interface RoleSession extends Credentials {
  role: Role
  /** The name of the session. Lambda gives it the name of the function. */
  name: string
}

export interface Role {
  name: string
  arn: string
}

interface Statement {
  Effect: 'Allow' | 'Deny'
  Action: string | string[]
  Resource: string | string[]
  /** Operators, their keys and the values that a key may have. */
  Condition?: Record<string, Record<string, string | string[]>>
}

export interface Permission {
  /** `sqs:SendMessage`. */
  action: string
  /** ARN. */
  resource: string
  /** The condition keys of the request. */
  context?: Readonly<Record<string, string>>
}

/** A request that AWS refuses. */
export class Refused extends Error {
  readonly code: string
  readonly status: number

  constructor(code: string, message: string, status = 401) {
    super(message)
    this.code = code
    this.status = status
  }
}

export interface Iam {
  assume(roleArn: string, sessionName: string): RoleSession
  /** @throws Refused if the signature is not that of the session that it names */
  authenticate(request: ReceivedRequest, claim: SignatureClaim): RoleSession
  /** @throws Refused if no statement of the role allows it */
  authorize({ role }: RoleSession, permission: Permission): void
}

/** Milliseconds. AWS refuses a signature that is older, or from further in the future. */
export const signatureLifeMs = 15 * 60_000

/** The roles and policies of a stack. They decide about calls as IAM does, as far as the stack's policies need it. */
export function openIam(resources: Record<string, TemplateResource>): Iam {
  const ofType = (type: string) =>
    Object.values(resources)
      .filter(({ Type }) => Type === type)
      .map(({ Properties }) => Properties as Record<string, unknown>)
  const statements = new Map<string, Statement[]>()
  for (const { RoleName, Policies } of ofType('AWS::IAM::Role')) {
    const documents = Policies as { PolicyDocument: { Statement: Statement[] } }[]
    statements.set(
      String(RoleName),
      documents.flatMap(each => each.PolicyDocument.Statement),
    )
  }
  for (const { Roles, PolicyDocument } of ofType('AWS::IAM::Policy'))
    for (const name of Roles as string[])
      statements.get(name)?.push(...(PolicyDocument as { Statement: Statement[] }).Statement)
  const sessions = new Map<string, RoleSession>()

  return {
    assume(arn, sessionName) {
      const role: Role = { arn, name: arn.replace(/^.*:role\//, '') }
      if (!statements.has(role.name)) throw new Error(`the stack has no role ${arn}`)
      const session: RoleSession = {
        role,
        name: sessionName,
        // An access key of STS begins with ASIA. Its other 16 characters are base 32.
        accessKeyId: `ASIA${randomBytes(8)
          .toString('hex')
          .toUpperCase()
          .replaceAll(/[0189]/g, 'Z')}`,
        secretAccessKey: randomBytes(30).toString('base64'),
        // A session of Lambda has a token of about this length.
        sessionToken: randomBytes(700).toString('base64'),
      }
      sessions.set(session.accessKeyId, session)
      return session
    },
    authenticate(request, claim) {
      const session = sessions.get(claim.accessKeyId)
      if (session === undefined || claim.sessionToken !== session.sessionToken)
        throw new Refused('UnrecognizedClientException', 'The security token is invalid.')
      if (expectedSignature(request, claim, session.secretAccessKey) !== claim.signature)
        throw new Refused('SignatureDoesNotMatch', 'The signature does not match.')
      return session
    },
    authorize({ role }, { action, resource, context = {} }) {
      const matching = (statements.get(role.name) ?? [])
        .filter(each => [each.Action].flat().includes(action) && [each.Resource].flat().includes(resource))
        .filter(({ Condition = {} }) => holds(Condition, context))
      const allowed = matching.length > 0 && matching.every(({ Effect }) => Effect === 'Allow')
      if (!allowed)
        throw new Refused('AccessDeniedException', `${role.name} may not ${action} on ${resource}`)
    },
  }
}

/** @throws Error for an operator that the policies of the stack did not have when this was written */
function holds(condition: NonNullable<Statement['Condition']>, context: Record<string, string>): boolean {
  return Object.entries(condition).every(([operator, keys]) => {
    if (operator !== 'StringEquals') throw new Error(`${operator} is not judged here`)
    return Object.entries(keys).every(([key, values]) => [values].flat().includes(context[key] ?? ''))
  })
}

/** @throws Refused unless the request is signed for the service, now, by a session */
export function authenticated(
  iam: Iam,
  request: ReceivedRequest,
  { region, service, now }: { region: string; service: string; now: number },
): RoleSession {
  const claim = claimInHeader(request)
  if (claim === undefined) throw new Refused('MissingAuthenticationToken', 'The request is not signed.')
  if (claim.region !== region || claim.service !== service)
    throw new Refused('InvalidSignatureException', `The credential is scoped to ${claim.scope}.`)
  if (!(Math.abs(now - signingTime(claim.time)) <= signatureLifeMs))
    throw new Refused('InvalidSignatureException', 'The signature is expired.')
  return iam.authenticate(request, claim)
}
