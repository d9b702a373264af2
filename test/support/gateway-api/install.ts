import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { inject } from 'vitest'
import { parse } from 'yaml'
import type { KubernetesObject } from '../../../lib/crd/objects.ts'
import type { KubernetesClient } from '../../../lib/kubernetes/client/http.ts'
import { collectionPath } from '../../../lib/kubernetes/client/paths.ts'
import { waitUntil } from '../../../local/process/wait.ts'

export const tlsRouteVersions = ['v1', 'v1alpha3', 'v1alpha2'] as const
/** The newest version of TLSRoute that the cluster serves. */
export type TlsRouteVersion = (typeof tlsRouteVersions)[number]

const group = 'gateway.networking.k8s.io'
const definitions = collectionPath({
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
})

/** How long an API server may take to serve, or to drop, a kind, in milliseconds. */
const servedMs = 30_000

/**
 * Installs GatewayClass, Gateway and HTTPRoute of the standard channel, and TLSRoute in one version or not at all. A
 * TLSRoute of another version is replaced, and its objects go. Returns when the cluster serves what was asked for.
 * @param plane a control plane of the test file's own, since a definition holds for every file that uses the plane
 * @throws Error for the control plane that the test files share
 */
export async function installGatewayApi(
  plane: { server: string },
  client: KubernetesClient,
  { tlsRoute }: { tlsRoute: TlsRouteVersion | 'none' },
  signal: AbortSignal,
): Promise<void> {
  if (plane.server === inject('sharedParts').controlPlane.server)
    throw new Error('the Gateway API needs a control plane of the test file (startTestControlPlane)')
  for (const file of ['gatewayclasses', 'gateways', 'httproutes']) await install(client, file, signal)
  await removeDefinition(client, `tlsroutes.${group}`, signal)
  if (tlsRoute !== 'none') await install(client, `tlsroutes-${tlsRoute}`, signal)
  const wanted = ['v1/httproutes', ...(tlsRoute === 'none' ? [] : [`${tlsRoute}/tlsroutes`])]
  const isServed = async () => {
    const served = await servedGatewayKinds(client, signal)
    return wanted.every(kind => served.includes(kind)) && (tlsRoute !== 'none' || !served.some(isTlsRoute))
  }
  await waitUntil(`the kinds ${wanted} of the Gateway API`, servedMs, isServed, signal)
}

const isTlsRoute = (kind: string) => kind.endsWith('/tlsroutes')

/** Returns the kinds of the Gateway API that the cluster serves, as `v1/httproutes`. */
export async function servedGatewayKinds(client: KubernetesClient, signal: AbortSignal): Promise<string[]> {
  const groupAnswer = await client.request('GET', `/apis/${group}`, {}, signal)
  if (groupAnswer.status !== 200) return []
  const { versions } = groupAnswer.body as { versions: { version: string }[] }
  const kinds = await Promise.all(
    versions.map(async ({ version }) => {
      const { body } = await client.request('GET', `/apis/${group}/${version}`, {}, signal)
      const { resources = [] } = body as { resources?: { name: string }[] }
      return resources.filter(({ name }) => !name.includes('/')).map(({ name }) => `${version}/${name}`)
    }),
  )
  return kinds.flat()
}

async function install(client: KubernetesClient, file: string, signal: AbortSignal): Promise<void> {
  const text = await readFile(join(import.meta.dirname, `${file}.yaml`), 'utf8')
  const body = parse(text) as KubernetesObject
  const { status } = await client.request('POST', definitions, { body }, signal)
  if (status !== 201 && status !== 409) throw new Error(`definition ${file}: ${status}`)
}

async function removeDefinition(client: KubernetesClient, name: string, signal: AbortSignal): Promise<void> {
  const path = `${definitions}/${name}`
  await client.request('DELETE', path, {}, signal)
  const isGone = async () => (await client.request('GET', path, {}, signal)).status === 404
  await waitUntil(`the end of ${name}`, servedMs, isGone, signal)
}
