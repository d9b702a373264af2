import { readFile } from 'node:fs/promises'
import { delimiter, dirname, isAbsolute, join } from 'node:path'
import {
  type Cluster,
  type Context,
  newClusters,
  newContexts,
  newUsers,
  type User,
} from '@kubernetes/client-node/dist/config_types.js'
import { parse } from 'yaml'
import type { ApiServerAddress, TlsSettings } from './api-server-address.ts'
import {
  type Credential,
  type CredentialSource,
  cachedCredentials,
  fileToken,
  fixedCredentials,
  reasonOf,
  tokenCredentials,
  unusableConnection,
} from './credentials.ts'
import { runExecPlugin } from './exec-plugin.ts'

/**
 * Only client-node's parser of the format is imported. Its `KubeConfig` class would load every model of Kubernetes (0.4 s
 * and 85 MB, measured).
 */
interface Kubeconfig {
  clusters: Cluster[]
  contexts: Context[]
  users: (User & { tokenFile?: string })[]
  currentContext: string | undefined
}

/**
 * Returns the API server that the current context names. Several files are merged as kubectl does it: for each name, the
 * first file with an entry decides.
 * @throws OperatorError OperatorMisconfigured, naming the file and what is wrong in it
 */
export async function kubeconfigAddress(path: string): Promise<ApiServerAddress> {
  const files = await Promise.all(path.split(delimiter).filter(Boolean).map(load))
  const { clusters, contexts, users } = {
    clusters: files.flatMap(file => file.clusters),
    contexts: files.flatMap(file => file.contexts),
    users: files.flatMap(file => file.users),
  }
  const name = files.find(file => file.currentContext)?.currentContext
  const where = `KUBECONFIG (${path})`
  if (name === undefined)
    throw unusableConnection(`${where} has no current-context; choose one: kubectl config use-context <name>`)
  const context = contexts.find(each => each.name === name)
  if (!context) throw unusableConnection(`${where} has no context "${name}", which its current-context names`)
  const cluster = clusters.find(each => each.name === context.cluster)
  if (!cluster)
    throw unusableConnection(`${where} has no cluster "${context.cluster}", which its context names`)
  const user = users.find(each => each.name === context.user)
  if (!user) throw unusableConnection(`${where} has no user "${context.user}", which its context names`)
  if (cluster.proxyUrl !== undefined && !/^https?:/.test(cluster.proxyUrl))
    throw unusableConnection(`${where} has a proxy-url that is not http or https; only these are supported`)
  return {
    server: cluster.server.replace(/\/+$/, ''),
    tls: await tlsOf(cluster),
    ...(cluster.proxyUrl === undefined ? {} : { proxy: cluster.proxyUrl }),
    headers: user.impersonateUser ? { 'impersonate-user': user.impersonateUser } : {},
    credentials: await credentialsOf(user, where),
  }
}

async function load(path: string): Promise<Kubeconfig> {
  const text = await readFile(path, 'utf8').catch(thrown => {
    const missing = (thrown as NodeJS.ErrnoException).code === 'ENOENT'
    const what = missing ? 'which does not exist' : `which cannot be read (${reasonOf(thrown)})`
    throw unusableConnection(
      `KUBECONFIG names ${path}, ${what}: point it at a kubeconfig, or unset it.`,
      thrown,
    )
  })
  try {
    return read(parse(text), dirname(path))
  } catch (thrown) {
    // The sentence of the parser may quote a line of the file, and so a token.
    const line = (thrown as { linePos?: [{ line: number }] }).linePos?.[0].line
    const why = line === undefined ? reasonOf(thrown) : `not YAML from line ${line} on`
    throw unusableConnection(
      `KUBECONFIG names ${path}, which is no kubeconfig: ${why}.`,
      line === undefined ? thrown : undefined,
    )
  }
}

function read(document: unknown, folder: string): Kubeconfig {
  if (typeof document !== 'object' || document === null) throw new Error('it holds no object')
  const { clusters, contexts, users, ...rest } = document as Record<string, unknown>
  const absolute = (file: string) => (isAbsolute(file) ? file : join(folder, file))
  const entries = (Array.isArray(users) ? users : []) as { user?: { tokenFile?: string; token?: string } }[]
  return {
    clusters: newClusters(clusters).map(each => ({
      ...each,
      ...(each.caFile ? { caFile: absolute(each.caFile) } : {}),
    })),
    contexts: newContexts(contexts),
    users: newUsers(users).map((each, index) => {
      const tokenFile = entries[index]?.user?.tokenFile
      return {
        ...each,
        ...(each.certFile ? { certFile: absolute(each.certFile) } : {}),
        ...(each.keyFile ? { keyFile: absolute(each.keyFile) } : {}),
        ...(tokenFile ? { tokenFile: absolute(tokenFile) } : {}),
        // A plugin with a path is looked up beside the file, one with a bare name in PATH.
        ...(each.exec?.command?.includes('/')
          ? { exec: { ...each.exec, command: absolute(each.exec.command) } }
          : {}),
      }
    }),
    currentContext: (rest['current-context'] as string | undefined) || undefined,
  }
}

async function tlsOf(cluster: Cluster): Promise<TlsSettings> {
  const ca = await pem(cluster.caFile, cluster.caData)
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(cluster.tlsServerName ? { servername: cluster.tlsServerName } : {}),
    ...(cluster.skipTLSVerify ? { rejectUnauthorized: false } : {}),
  }
}

async function credentialsOf(user: User & { tokenFile?: string }, where: string): Promise<CredentialSource> {
  if (user.exec) return cachedCredentials(signal => runExecPlugin(user, signal), Date.now)
  if (user.authProvider)
    throw unusableConnection(
      `${where} uses the auth-provider "${user.authProvider.name}", which Kubernetes has removed; use an exec plugin`,
    )
  const cert = await pem(user.certFile, user.certData)
  const key = await pem(user.keyFile, user.keyData)
  const certificate: Credential = cert !== undefined && key !== undefined ? { cert, key } : {}
  if (user.tokenFile !== undefined) {
    const source = tokenCredentials(fileToken(user.tokenFile, Date.now))
    return async (options, signal) => ({ ...certificate, ...(await source(options, signal)) })
  }
  const authorization = user.token ? `Bearer ${user.token}` : basic(user)
  return fixedCredentials({ ...certificate, ...(authorization === undefined ? {} : { authorization }) })
}

function basic({ username, password }: User): string | undefined {
  if (!username) return undefined
  return `Basic ${Buffer.from(`${username}:${password ?? ''}`).toString('base64')}`
}

async function pem(file: string | undefined, data: string | undefined): Promise<string | undefined> {
  // As in client-go, inline data win over a file.
  if (data) return Buffer.from(data, 'base64').toString('utf8')
  if (!file) return undefined
  return readFile(file, 'utf8').catch(thrown => {
    throw unusableConnection(
      `The kubeconfig names ${file}, which cannot be read: ${reasonOf(thrown)}.`,
      thrown,
    )
  })
}
