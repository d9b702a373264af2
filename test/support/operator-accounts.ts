import { randomBytes } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parse, stringify } from 'yaml'
import type { WatchedNamespaces } from '../../lib/crd/namespaces.ts'
import type { KubernetesObject } from '../../lib/crd/objects.ts'
import { openClient } from '../../lib/kubernetes/client/client.ts'
import type { KubernetesClient } from '../../lib/kubernetes/client/http.ts'
import { collectionPath } from '../../lib/kubernetes/client/paths.ts'
import { readManifests } from '../../lib/kubernetes/install/manifests.ts'
import { composedFunctions } from '../../local/lambda/composed-functions.ts'
import { waitUntil } from '../../local/process/wait.ts'
import { createAsAdmin, deleteAsAdmin } from './admin-objects.ts'
import { temporaryFolder } from './temporary-folder.ts'

/** Where the roles of the functions are bound. */
export interface BoundPlaces {
  namespaces: WatchedNamespaces
  /** Workloads may run in namespaces that the operator makes. */
  placesElsewhere: boolean
}

/**
 * The accounts of one operator, one for each function. They are ServiceAccounts of a namespace that no other operator has,
 * so that a binding for them gives nobody else a right. The administrator impersonates them.
 */
export interface OperatorAccounts {
  /** @returns the path of the kubeconfig with which the function calls the API server */
  kubeconfigOf(functionName: string): string
  /** Binds the roles of `manifests/` for these accounts. Resolves when the API server goes by it. */
  bind(places: BoundPlaces, signal: AbortSignal): Promise<void>
  /** Binds them for the groups of `manifests/`, which users without a ServiceAccount have. */
  bindGroups(places: BoundPlaces, signal: AbortSignal): Promise<void>
  /** Binds a ClusterRole or a Role of the test's own in one namespace. */
  bindRole(functionName: string, role: { kind: string; name: string; namespace: string }): Promise<void>
  /** Removes the bindings that do not go with a namespace. */
  remove(): Promise<void>
}

interface Binding extends KubernetesObject {
  metadata: KubernetesObject['metadata'] & { name: string }
  roleRef: { apiGroup: string; kind: string; name: string }
  subjects: { kind: string; name: string; namespace?: string }[]
}

type SubjectKind = 'ServiceAccount' | 'Group'

const rbac = 'rbac.authorization.k8s.io'
const accountOf = (functionName: string) => `challenge-operator-${functionName}`

/** Installs the roles of the functions, as an administrator does. They are bound to nobody. */
export async function installRoles(client: KubernetesClient, signal: AbortSignal): Promise<void> {
  for (const folder of ['rbac', 'placements'] as const)
    for (const object of await readManifests(folder))
      if (object.kind === 'ClusterRole') await createAsAdmin(client, object, signal)
}

/**
 * @param client the administrator's, of the cluster to which `kubeconfig` leads
 * @param serverOf the URL by which a function reaches the API server; undefined: that of `kubeconfig`
 */
export async function openOperatorAccounts(
  client: KubernetesClient,
  kubeconfig: string,
  serverOf: (functionName: string) => string | undefined = () => undefined,
): Promise<OperatorAccounts> {
  const home = `operator-${randomBytes(5).toString('hex')}`
  const folder = await temporaryFolder('accounts')
  const paths = new Map<string, string>()
  for (const name of composedFunctions) {
    const path = join(folder.path, name)
    const user = `system:serviceaccount:${home}:${accountOf(name)}`
    await writeFile(path, impersonating(await readFile(kubeconfig, 'utf8'), user, serverOf(name)), {
      mode: 0o600,
    })
    paths.set(name, path)
  }
  const clusterWide: Binding[] = []

  /** The binding of `manifests/` for the account of this operator alone, or for the group. */
  const own = ({ metadata, subjects, ...rest }: Binding, kind: SubjectKind, namespace?: string): Binding => ({
    ...rest,
    metadata: {
      name: `${metadata.name}-${kind.toLowerCase()}-${home}`,
      ...(namespace === undefined ? {} : { namespace }),
    },
    subjects: subjects
      .filter(each => each.kind === kind)
      .map(subject => (kind === 'ServiceAccount' ? { ...subject, namespace: home } : subject)),
  })

  async function bindAll(kind: SubjectKind, places: BoundPlaces, signal: AbortSignal): Promise<void> {
    const { cluster, namespaced } = await bindingsFor(places)
    const { namespaces } = places
    const wide = cluster.map(each => own(each, kind))
    clusterWide.push(...wide)
    const narrow = namespaces === '*' ? [] : namespaces
    const inNamespaces = narrow.flatMap(namespace => namespaced.map(each => own(each, kind, namespace)))
    // The API server learns of the bindings of a kind in the order of their creation, so it knows all that knows the last.
    for (const bindings of [wide, inNamespaces]) {
      for (const binding of bindings) await createAsAdmin(client, binding, signal)
      const last = bindings.at(-1)
      if (last === undefined) continue
      const inForce = () => grants(client, last, signal)
      await waitUntil(`the rights of ${last.metadata.name}`, 20_000, inForce, signal)
    }
  }

  return {
    kubeconfigOf(name) {
      const path = paths.get(name)
      if (path === undefined) throw new Error(`no function is called ${name}`)
      return path
    },
    bind: (places, signal) => bindAll('ServiceAccount', places, signal),
    bindGroups: (places, signal) => bindAll('Group', places, signal),
    async bindRole(functionName, { kind, name, namespace }) {
      const binding: Binding = {
        apiVersion: `${rbac}/v1`,
        kind: 'RoleBinding',
        metadata: { name: `${name}-${home}`, namespace },
        roleRef: { apiGroup: rbac, kind, name },
        subjects: [{ kind: 'ServiceAccount', name: accountOf(functionName), namespace: home }],
      }
      await createAsAdmin(client, binding, AbortSignal.timeout(20_000))
    },
    async remove() {
      const { signal } = new AbortController()
      for (const binding of clusterWide) await deleteAsAdmin(client, binding, signal)
      await folder.remove()
    },
  }
}

/** Returns a kubeconfig whose users act as this one, and that leads to this server, if one is given. */
function impersonating(text: string, user: string, server: string | undefined): string {
  const config = parse(text) as {
    users: { name: string; user: object }[]
    clusters: { name: string; cluster: object }[]
  }
  const clusters = config.clusters.map(each => ({
    ...each,
    cluster: { ...each.cluster, ...(server === undefined ? {} : { server }) },
  }))
  const users = config.users.map(each => ({ ...each, user: { ...each.user, as: user } }))
  return stringify({ ...config, clusters, users })
}

async function bindingsFor({ namespaces, placesElsewhere }: BoundPlaces) {
  const roles = (await readManifests('rbac')) as KubernetesObject[] as Binding[]
  const folders = [
    ...(namespaces === '*' ? (['all-namespaces'] as const) : []),
    ...(placesElsewhere ? (['placements'] as const) : []),
  ]
  const more = (await Promise.all(folders.map(readManifests))).flat() as KubernetesObject[] as Binding[]
  return {
    cluster: [...roles, ...more].filter(({ kind }) => kind === 'ClusterRoleBinding'),
    namespaced: roles.filter(({ kind }) => kind === 'RoleBinding'),
  }
}

/** Asks whether the account or the group of the binding has the first right of the bound role. */
async function grants(
  client: KubernetesClient,
  { roleRef, subjects, metadata }: Binding,
  signal: AbortSignal,
): Promise<boolean> {
  const roles = [...(await readManifests('rbac')), ...(await readManifests('placements'))]
  const role = roles.find(each => each.kind === 'ClusterRole' && each.metadata.name === roleRef.name) as
    | { rules: Record<'apiGroups' | 'resources' | 'verbs' | 'resourceNames', string[] | undefined>[] }
    | undefined
  const [rule] = role?.rules ?? []
  const resourceAttributes = {
    group: rule?.apiGroups?.[0],
    resource: rule?.resources?.[0],
    verb: rule?.verbs?.[0],
    name: rule?.resourceNames?.[0],
    namespace: metadata.namespace,
  }
  const [subject] = subjects
  const who =
    subject?.kind === 'Group'
      ? { user: 'a member', groups: [subject.name] }
      : { user: `system:serviceaccount:${subject?.namespace}:${subject?.name}` }
  const kind = { apiVersion: 'authorization.k8s.io/v1', kind: 'SubjectAccessReview' }
  const body = { ...kind, spec: { ...who, resourceAttributes } }
  const response = await client.request('POST', collectionPath(kind), { body }, signal)
  return (response.body as { status?: { allowed?: boolean } }).status?.allowed === true
}

/** @throws Error if this kubeconfig is that of a user who may do everything */
export async function refuseAdministrator(kubeconfig: string, signal: AbortSignal): Promise<void> {
  const connection = { kind: 'kubeconfig', path: kubeconfig } as const
  const client = openClient({ connection, userAgent: 'challenge-operator/test (test)' })
  const kind = { apiVersion: 'authorization.k8s.io/v1', kind: 'SelfSubjectAccessReview' }
  const spec = { resourceAttributes: { verb: '*', group: '*', resource: '*' } }
  const request = client.request('POST', collectionPath(kind), { body: { ...kind, spec } }, signal)
  const { status, body } = await request.finally(() => client.close())
  const answer = body as { status?: { allowed?: boolean } }
  if (status !== 201) throw new Error(`the rights of ${kubeconfig} are not told (${status})`)
  if (answer.status?.allowed !== false)
    throw new Error('a function of an operator in a test may not call the API server as an administrator')
}
