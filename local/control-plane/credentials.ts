import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { stringify } from 'yaml'

export interface User {
  name: string
  groups: readonly string[]
}

/** Kept from run to run, so that a copied kubeconfig stays valid. */
export interface Identity {
  ports: { apiServer?: number; etcd?: number; etcdPeer?: number }
  /** Bearer token by user name. */
  tokens: Record<string, string>
}

export const admin = 'admin'
/** Each program has a user of its own, so that an audit log tells its calls from the operator's. */
export const partUsers = ['system:kube-controller-manager', 'system:kube-scheduler', 'kwok'] as const

const superusers = [admin, ...partUsers].map((name): User => ({ name, groups: ['system:masters'] }))

/** Age at which the certificate is removed. The API server then makes a new one, which is valid for a year. */
const certificateMs = 300 * 24 * 3_600_000

export function paths(directory: string) {
  const at = (name: string) => join(directory, name)
  return {
    identity: at('identity.json'),
    tokens: at('tokens.csv'),
    serviceAccountKey: at('service-account.key'),
    serviceAccountPublicKey: at('service-account.pub'),
    authentication: at('authentication.yaml'),
    auditPolicy: at('audit-policy.yaml'),
    certificates: at('certificates'),
    certificate: at('certificates/apiserver.crt'),
    etcdData: at('etcd'),
    kubeconfig: at('kubeconfig'),
    troubleStages: at('trouble-stages.json'),
    lock: at('.lock'),
    kubeconfigOf: (user: string) => at(`${user.replace('system:', '')}.kubeconfig`),
    logOf: (part: string) => at(`${part}.log`),
  }
}

export async function readIdentity(directory: string): Promise<Identity> {
  const text = await readFile(paths(directory).identity, 'utf8').catch(() => undefined)
  return text === undefined ? { ports: {}, tokens: {} } : (JSON.parse(text) as Identity)
}

/** @throws Error for a user that was not declared when the control plane was started */
export function tokenOf(identity: Identity, user: string): string {
  const token = identity.tokens[user]
  if (token === undefined) throw new Error(`no user ${user} was declared when the control plane was started`)
  return token
}

/** Writes the files from which the API server authenticates users. Tokens and keys of an earlier run are kept. */
export async function writeCredentials(
  directory: string,
  identity: Identity,
  users: readonly User[],
): Promise<void> {
  const files = paths(directory)
  const everyone = [...superusers, ...users]
  for (const { name } of everyone) identity.tokens[name] ??= randomBytes(24).toString('base64url')
  await writeSecret(files.identity, JSON.stringify(identity))
  const lines = everyone.map(({ name, groups }) => {
    return `${identity.tokens[name]},${name},${name},"${groups.join(',')}"\n`
  })
  await writeSecret(files.tokens, lines.join(''))
  await writeFile(files.authentication, healthForEveryone)
  await makeServiceAccountKeys(directory)
  const certificate = await stat(files.certificate).catch(() => undefined)
  if (certificate !== undefined && Date.now() - certificate.mtimeMs > certificateMs) {
    await rm(files.certificates, { recursive: true })
  }
}

export async function writeKubeconfig(
  path: string,
  access: { server: string; caData: string; user: string; token: string },
): Promise<void> {
  const name = 'challenge-operator'
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': name,
    clusters: [{ name, cluster: { server: access.server, 'certificate-authority-data': access.caData } }],
    users: [{ name: access.user, user: { token: access.token } }],
    contexts: [{ name, context: { cluster: name, user: access.user, namespace: 'default' } }],
  }
  await writeSecret(path, stringify(config))
}

/** Load balancers ask for health without a token. Every other path needs one. */
const healthForEveryone = stringify({
  apiVersion: 'apiserver.config.k8s.io/v1',
  kind: 'AuthenticationConfiguration',
  anonymous: { enabled: true, conditions: [{ path: '/livez' }, { path: '/readyz' }, { path: '/healthz' }] },
})

async function makeServiceAccountKeys(directory: string): Promise<void> {
  const files = paths(directory)
  if ((await stat(files.serviceAccountKey).catch(() => undefined)) !== undefined) return
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  await writeFile(files.serviceAccountPublicKey, publicKey.export({ type: 'spki', format: 'pem' }))
  await writeSecret(files.serviceAccountKey, privateKey.export({ type: 'pkcs1', format: 'pem' }).toString())
}

async function writeSecret(path: string, text: string): Promise<void> {
  const draft = `${path}.new`
  await writeFile(draft, text, { mode: 0o600 })
  await rename(draft, path)
}
