import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { parse, parseAllDocuments, stringify } from 'yaml'
import { findGoProgram, goPrograms } from '../../support/go-program.ts'
import { findHelm, runHelm } from '../../support/helm.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

const root = resolve(import.meta.dirname, '../../..')
const chart = join(root, 'charts/challenge-operator')

interface Manifest {
  kind: string
  metadata: { name: string; namespace?: string; labels?: Record<string, string> }
  rules?: unknown
  roleRef?: { name: string }
  subjects?: unknown
  // biome-ignore lint/suspicious/noExplicitAny: each test knows its kind
  spec?: any
  data?: Record<string, string>
}

let helm: Awaited<ReturnType<typeof findHelm>>

beforeAll(async () => {
  helm = await findHelm()
}, 300_000)
beforeEach(context => {
  if ('missing' in helm) context.skip(helm.missing)
})

const run = (args: readonly string[]) => runHelm('path' in helm ? helm.path : '', args)
const parsed = (text: string) => parseAllDocuments(text).map(each => each.toJS() as Manifest)

/** Helm says on stderr that it follows the links to the manifests. */
const withoutRemarks = (output: string) =>
  output.replace(/^level=INFO msg="found symbolic link in path.*\n/gm, '')

function template(settings: Record<string, string | number> = {}, more: readonly string[] = []) {
  const sets = Object.entries(settings).flatMap(([name, value]) => [
    '--set-string',
    `settings.${name}=${value}`,
  ])
  return run(['template', 'challenge-operator', chart, '--namespace', 'ctf-system', ...sets, ...more])
}

async function rendered(settings: Record<string, string> = {}): Promise<Manifest[]> {
  const { code, output } = await template(settings)
  expect({ code, output }).toMatchObject({ code: 0 })
  return parsed(withoutRemarks(output)).filter(Boolean)
}

/** The manifests that the roles come from. */
function manifestsOf(folder: string): Manifest[] {
  const path = join(root, 'manifests', folder)
  const files = readdirSync(path).filter(file => file !== 'kustomization.yaml')
  return files.flatMap(file => parsed(readFileSync(join(path, file), 'utf8')))
}

const rolesIn = (manifests: readonly Manifest[]) =>
  Object.fromEntries(
    manifests
      .filter(({ kind }) => kind === 'ClusterRole')
      .map(({ metadata, rules }) => [metadata.name, rules]),
  )
const bindingsIn = (manifests: readonly Manifest[]) =>
  manifests
    .filter(({ kind }) => kind.endsWith('Binding'))
    .map(({ kind, metadata, roleRef }) => `${kind} ${metadata.namespace ?? '*'} ${roleRef?.name}`)
    .toSorted()

/** Both objects for the Prometheus Operator, with a label of each by which a Prometheus finds it. */
const monitored = ['podMonitor', 'prometheusRule'].flatMap(name => [
  '--set',
  `monitoring.${name}.enabled=true,monitoring.${name}.labels.release=kube-prometheus-stack`,
])

describe('the objects for the Prometheus Operator', () => {
  const ofMonitoring = (text: string) => /^apiVersion: monitoring\.coreos\.com\//m.test(text)

  it('are not rendered unless the values ask for them', async () => {
    expect(ofMonitoring((await template()).output)).toBe(false)
  })

  it('render as before', async () => {
    const { output } = await template({}, monitored)
    const documents = withoutRemarks(output)
      .split(/^---\n/m)
      .filter(ofMonitoring)
    await expect(documents.join('---\n')).toMatchFileSnapshot('chart-monitoring.golden.yaml')
  })

  it('select the pods of the release, by a port that they have', async () => {
    const manifests = parsed(withoutRemarks((await template({}, monitored)).output)).filter(Boolean)
    const of = (kind: string) => manifests.find(each => each.kind === kind)?.spec
    const { selector, podMetricsEndpoints } = of('PodMonitor')
    const { template: pod } = of('Deployment')
    expect(pod.metadata.labels).toMatchObject(selector.matchLabels)
    const ports = pod.spec.containers[0].ports.map(({ name }: { name: string }) => name)
    expect(podMetricsEndpoints).toEqual([expect.objectContaining({ path: '/metrics' })])
    expect(ports).toContain(podMetricsEndpoints[0].port)
  })

  it('have the rules of manifests/monitoring, which promtool accepts', async context => {
    const { output } = await template({}, monitored)
    const rule = parsed(withoutRemarks(output)).find(each => each?.kind === 'PrometheusRule')
    const rules = readFileSync(join(root, 'manifests/monitoring/rules.yml'), 'utf8')
    expect(rule?.spec).toEqual(parse(rules))
    const promtool = await findGoProgram(goPrograms.promtool)
    if ('missing' in promtool) return context.skip(promtool.missing)
    const folder = await temporaryFolder('rules')
    try {
      const file = join(folder.path, 'rules.yml')
      writeFileSync(file, stringify(rule?.spec))
      const checked = await runHelm(promtool.path, ['check', 'rules', '--lint-fatal', file])
      expect(checked).toEqual({ code: 0, output: expect.stringContaining('SUCCESS') })
    } finally {
      await folder.remove()
    }
  })
})

describe('the chart', () => {
  it('passes helm lint', async () => {
    expect(await run(['lint', '--strict', chart])).toMatchObject({ code: 0 })
  })

  it('renders as before, but for the roles', async () => {
    const { output } = await template()
    const documents = withoutRemarks(output).split(/^---\n/m)
    const own = documents.filter(text => !/^kind: ClusterRole$/m.test(text)).join('---\n')
    await expect(own).toMatchFileSnapshot('chart.golden.yaml')
  })

  it('has the roles of the functions, bound where the functions work', async () => {
    const manifests = await rendered()
    expect(rolesIn(manifests)).toEqual(rolesIn(manifestsOf('rbac')))
    expect(bindingsIn(manifests)).toEqual(bindingsIn(manifestsOf('rbac')))
    const account = { kind: 'ServiceAccount', name: 'challenge-operator-run', namespace: 'ctf-system' }
    for (const { kind, subjects } of manifests)
      if (kind.endsWith('Binding')) expect(subjects).toEqual([account])
  })

  it('names its account so that the policy of the accounts holds it, whatever the release is called', async () => {
    const policy = readFileSync(join(root, 'manifests/admission/accounts.yaml'), 'utf8')
    const names = new RegExp(/matches\('(.+?)'\)/.exec(policy)?.[1] ?? 'none')
    for (const release of ['challenge-operator', 'ctf2', 'challenge-operator-2']) {
      const { output } = await run(['template', release, chart, '-n', 'ctf-system'])
      const account = parsed(withoutRemarks(output)).find(each => each?.kind === 'ServiceAccount')
      expect(`system:serviceaccount:ctf-system:${account?.metadata.name}`).toMatch(names)
    }
  })

  it('binds the roles in each watched namespace, or in all', async () => {
    const several = bindingsIn(
      await rendered({ OPERATOR_NAMESPACE: 'a\\, b', OPERATOR_LEASE_NAMESPACE: 'c' }),
    )
    for (const namespace of ['a', 'b', 'c'])
      expect(several).toContain(`RoleBinding ${namespace} challenge-operator-reconcile`)
    const all = bindingsIn(await rendered({ OPERATOR_NAMESPACE: '*' }))
    expect(all).toContain('ClusterRoleBinding * challenge-operator-reconcile')
    expect(all.filter(each => each.startsWith('RoleBinding'))).toEqual([])
  })

  it('names the installation after namespace and release, or as the settings say', async () => {
    const stack = (manifests: readonly Manifest[]) =>
      manifests.find(({ kind }) => kind === 'ConfigMap')?.data?.OPERATOR_STACK
    expect(stack(await rendered())).toBe('ctf-system/challenge-operator')
    expect(stack(await rendered({ OPERATOR_STACK: 'ours' }))).toBe('ours')
  })

  it('adds the roles of placements where the settings allow one', async () => {
    const expected = { ...rolesIn(manifestsOf('rbac')), ...rolesIn(manifestsOf('placements')) }
    for (const setting of ['OPERATOR_PLACEMENT', 'OPERATOR_PLACEMENTS'])
      expect(rolesIn(await rendered({ [setting]: 'Event' }))).toEqual(expected)
  })

  it('runs the same pods as manifests/in-cluster', async () => {
    const pod = (manifests: readonly Manifest[]) => {
      const deployment = manifests.find(({ kind }) => kind === 'Deployment')
      const { replicas, template } = (deployment as Manifest).spec
      const { containers, affinity, ...rest } = template.spec
      const { image, envFrom, imagePullPolicy, ...container } = containers[0]
      return { replicas, ...rest, container }
    }
    const plain = parsed(readFileSync(join(root, 'manifests/in-cluster/deployment.yaml'), 'utf8'))
    expect(pod(await rendered())).toEqual(pod(plain))
  })

  it.each([
    ['an unknown setting', ['--set', 'settings.OPERATOR_NAMESPACES=a'], 'OPERATOR_NAMESPACES'],
    ['a secret among the settings', ['--set', 'settings.FLAG_SECRET=a'], 'FLAG_SECRET'],
    ['an impossible namespace', ['--set', 'settings.OPERATOR_NAMESPACE=Not_One'], 'OPERATOR_NAMESPACE'],
    ['no replica', ['--set', 'replicas=0'], 'replicas'],
    ['an unknown value', ['--set', 'replica=2'], 'replica'],
    ['no secret', ['--set-string', 'secretName='], 'secretName'],
    ['an interval without a unit', ['--set', 'monitoring.podMonitor.interval=30'], 'interval'],
    ['an unknown monitor', ['--set', 'monitoring.serviceMonitor.enabled=true'], 'serviceMonitor'],
  ])('refuses %s by its schema', async (_, values, named) => {
    const { code, output } = await template({}, values)
    expect({ code, output }).toEqual({ code: 1, output: expect.stringContaining(named) })
  })

  it('has no hook', async () => {
    expect((await template()).output).not.toContain('helm.sh/hook')
  })
})
