import { once } from 'node:events'
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { Agent, createServer, request } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { Transform } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { makeAuthority } from '../certificates.ts'
import { type Verified, verifyToken } from './eks-token.ts'
import { type Iam, Refused, type RoleSession } from './iam.ts'
import type { TemplateResource } from './intrinsics.ts'

/** One call of a function to the API server. */
export interface EksCall {
  /** Undefined: the token was refused. */
  session: RoleSession | undefined
  /** When the token was signed, in epoch milliseconds. */
  signedAt?: number
  /** As RBAC names it: get, list, watch, create, update, patch or delete. */
  verb: string
  /** With its subresource, such as `challengeinstances/status`. */
  resource: string
  status: number
  /** Why a token was refused. */
  refusal?: string
}

export interface EksFront {
  /** For `cluster.endpoint` and `cluster.ca` of the cluster's file. */
  endpoint: string
  ca: string
  /** PEM of the same authority. */
  certificate: string
  readonly calls: readonly EksCall[]
  /** Calls that are answered with 503, once each. */
  faults: Pick<EksCall, 'verb' | 'resource'>[]
  /** Says whose answers, and events of watches, are kept back for now. */
  isHeld: (call: EksCall) => boolean
  /** Milliseconds by which the clock of the front is ahead of the functions' clocks. */
  clockAheadMs: number
  /** Lets in who has an access entry of the stack. Before, every token is refused. */
  admit(iam: Iam, resources: Record<string, TemplateResource>): void
  /** Closes every connection, as an API server does that restarts. */
  cut(): void
  /**
   * Lets every open connection die at its next request, as a load balancer does that has forgotten it. The other side has
   * not heard of it before.
   */
  forget(): void
  stop(): Promise<void>
}

interface AccessEntry {
  ClusterName: string
  PrincipalArn: string
  KubernetesGroups: string[]
}

/**
 * Starts what stands for the endpoint of EKS: a TLS server that accepts the tokens of EKS only (`verifyToken`), and that acts
 * towards a real API server as the user and the groups of the caller's access entry.
 */
export async function startEksFront(
  plane: { server: string; token: string; caData: string },
  { cluster, region }: { cluster: string; region: string },
): Promise<EksFront> {
  const authority = makeAuthority()
  const { certificate: cert, key } = authority.issue(['127.0.0.1'])
  const agent = new Agent({ ca: Buffer.from(plane.caData, 'base64'), keepAlive: true })
  const calls: EksCall[] = []
  let admitted: { iam: Iam; entries: AccessEntry[] } | undefined

  function identify(incoming: IncomingMessage): Verified & { groups: string[] } {
    const [, token] = /^Bearer (.+)$/.exec(incoming.headers.authorization ?? '') ?? []
    if (token === undefined || admitted === undefined) throw new Refused('NoToken', 'there is no token')
    const { iam, entries } = admitted
    const verified = verifyToken(token, { iam, cluster, region, now: Date.now() + front.clockAheadMs })
    const { arn } = verified.session.role
    const entry = entries.find(each => each.PrincipalArn === arn && each.ClusterName === cluster)
    if (entry === undefined) throw new Refused('NoEntry', `${arn} has no access entry`)
    return { ...verified, groups: entry.KubernetesGroups }
  }

  function takeFault({ verb, resource }: EksCall): boolean {
    const index = front.faults.findIndex(each => each.verb === verb && each.resource === resource)
    if (index >= 0) front.faults.splice(index, 1)
    return index >= 0
  }

  const open = new Set<Socket>()
  const forgotten = new WeakSet<Socket>()
  const server = createServer({ cert, key }, (incoming, outgoing) => {
    if (forgotten.has(incoming.socket)) {
      incoming.socket.destroy()
      return
    }
    const call: EksCall = { session: undefined, ...targetOf(incoming), status: 0 }
    calls.push(call)
    try {
      const { session, signedAt, groups } = identify(incoming)
      Object.assign(call, { session, signedAt })
      if (takeFault(call)) throw new Refused('Fault', 'a test wants it', 503)
      const { method } = incoming
      const headers = { ...withoutIdentity(incoming.headers), ...identityOf(session, groups, plane.token) }
      const passed = request(plane.server + incoming.url, { method, headers, agent }, answer => {
        call.status = answer.statusCode ?? 502
        outgoing.writeHead(call.status, answer.headers)
        answer.on('error', () => outgoing.destroy())
        answer.pipe(heldBack(() => front.isHeld(call))).pipe(outgoing)
      })
      passed.on('error', () => outgoing.destroy())
      outgoing.on('close', () => passed.destroy())
      incoming.pipe(passed)
    } catch (thrown) {
      if (!(thrown instanceof Refused)) throw thrown
      const { status: code, message } = thrown
      Object.assign(call, { status: code, refusal: `${thrown.code}: ${message}` })
      outgoing.writeHead(code, { 'content-type': 'application/json' })
      outgoing.end(JSON.stringify({ kind: 'Status', status: 'Failure', reason: thrown.code, code }))
    }
  })
  server.on('secureConnection', socket => {
    open.add(socket)
    socket.once('close', () => open.delete(socket))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const front: EksFront = {
    endpoint: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    ca: Buffer.from(authority.certificate).toString('base64'),
    certificate: authority.certificate,
    calls,
    faults: [],
    isHeld: () => false,
    clockAheadMs: 0,
    admit(iam, resources) {
      const entries = Object.values(resources)
        .filter(({ Type }) => Type === 'AWS::EKS::AccessEntry')
        .map(({ Properties }) => Properties as unknown as AccessEntry)
      admitted = { iam, entries }
    },
    cut: () => server.closeAllConnections(),
    forget() {
      for (const socket of open) forgotten.add(socket)
    },
    async stop() {
      server.closeAllConnections()
      server.close()
      agent.destroy()
      await once(server, 'close')
    },
  }
  return front
}

/** Passes bytes on, and waits while they are held. */
function heldBack(isHeld: () => boolean): Transform {
  return new Transform({
    async transform(chunk, _encoding, done) {
      while (isHeld()) await sleep(20)
      done(null, chunk)
    },
  })
}

/** EKS sets these headers itself. */
function withoutIdentity(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  const foreign = ([name]: [string, unknown]) => !/^(authorization$|impersonate-|x-remote-)/.test(name)
  return Object.fromEntries(Object.entries(headers).filter(foreign))
}

/** The user name is the one that EKS gives to a role whose access entry names none. */
function identityOf({ role, name }: RoleSession, groups: string[], token: string) {
  const assumed = role.arn.replace(':iam:', ':sts:').replace(':role/', ':assumed-role/')
  return {
    authorization: `Bearer ${token}`,
    'impersonate-user': `${assumed}/${name}`,
    'impersonate-group': groups,
  }
}

const verbs: Record<string, string> = { POST: 'create', PUT: 'update', PATCH: 'patch', DELETE: 'delete' }

/** Reads verb and resource out of method and path. */
function targetOf({ method = '', url = '/' }: IncomingMessage): Pick<EksCall, 'verb' | 'resource'> {
  const { pathname, searchParams } = new URL(url, 'http://front')
  const [root, ...rest] = pathname.split('/').slice(1)
  const path = rest.slice(root === 'apis' ? 2 : 1)
  const inNamespace = path[0] === 'namespaces' && path.length > 2
  const [resource = '', name, subresource] = inNamespace ? path.slice(2) : path
  const full = subresource === undefined ? resource : `${resource}/${subresource}`
  if (method !== 'GET') return { verb: verbs[method] ?? method, resource: full }
  if (searchParams.get('watch') !== null) return { verb: 'watch', resource: full }
  return { verb: name === undefined ? 'list' : 'get', resource: full }
}
