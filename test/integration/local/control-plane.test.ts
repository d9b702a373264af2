import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { judgeVersion } from '../../../lib/kubernetes/supported-versions.ts'
import { openApi } from '../../../local/control-plane/api.ts'
import { controlPlaneBinaries } from '../../../local/control-plane/binaries.ts'
import { chosenKubernetes } from '../../../local/control-plane/recipe.ts'
import { type ControlPlane, startControlPlane } from '../../../local/control-plane/start.ts'
import { startAndKillParent } from '../../support/killed-parent.ts'
import { processesWith } from '../../support/processes.ts'
import { sharedControlPlane, testNamespace } from '../../support/shared-parts.ts'
import { type TemporaryFolder, temporaryFolder } from '../../support/temporary-folder.ts'

const { signal } = new AbortController()
const users = [{ name: 'somebody', groups: ['some-group'] }]
let folder: TemporaryFolder

beforeAll(async () => {
  folder = await temporaryFolder('control-plane')
})
afterAll(() => folder.remove())

async function start(): Promise<ControlPlane> {
  const binaries = await controlPlaneBinaries({ env: process.env, progress: () => {} }, signal)
  const own = { directory: folder.path, env: process.env, full: false, unsafeNoFsync: true }
  return startControlPlane({ ...own, binaries, users, auditLog: join(folder.path, 'audit.log') }, signal)
}

function apiOf(plane: ControlPlane, token = plane.token) {
  return openApi(Number(new URL(plane.server).port), Buffer.from(plane.caData, 'base64').toString(), token)
}

const settings = '/api/v1/namespaces/default/configmaps'

describe('a control plane of API server and etcd', () => {
  // A start takes two cores two seconds, so that the tests share one. The last begins with it, and starts two more.
  let plane: ControlPlane
  beforeAll(async () => {
    plane = await start()
  })
  afterAll(() => plane?.stop())

  it('refuses unknown tokens, gives declared users no rights, and records calls in the audit log', async () => {
    expect((await apiOf(plane, 'wrong').call('GET', settings, undefined, signal)).status).toBe(401)
    const somebody = apiOf(plane, plane.tokenOf('somebody'))
    expect((await somebody.call('GET', settings, undefined, signal)).status).toBe(403)
    expect(await readFile(await plane.kubeconfigOf('somebody'), 'utf8')).toContain('user: somebody')
    expect(() => plane.tokenOf('nobody-declared')).toThrow('nobody-declared')
    const audited = async () => {
      const lines = (await readFile(join(folder.path, 'audit.log'), 'utf8')).trim().split('\n')
      return lines
        .map(line => JSON.parse(line))
        .filter(event => event.user.username === 'somebody')
        .map(event => [event.stage, event.verb, event.responseStatus.code])
    }
    await expect.poll(audited).toEqual([['ResponseComplete', 'list', 403]])
  })

  it('is ready again after an outage, and refuses a second start in the same folder', async () => {
    const before = plane.pids['kube-apiserver']
    await plane.restartApiServer({ how: 'kill' }, signal)
    expect(plane.pids['kube-apiserver']).not.toBe(before)
    expect((await apiOf(plane).call('GET', '/readyz', undefined, signal)).status).toBe(200)
    await expect(start()).rejects.toThrow(`in use by process ${process.pid}`)
  })

  it('resumes data, address and tokens after a stop and after the death of its parent', async () => {
    const first = plane
    const body = { metadata: { name: 'kept' }, data: { key: 'value' } }
    expect((await apiOf(first).call('POST', settings, body, signal)).status).toBe(201)
    await first.stop()
    await expect.poll(() => processesWith(folder.path)).toEqual([])

    await startAndKillParent('control-plane', folder.path)
    await expect.poll(() => processesWith(folder.path), { timeout: 8_000 }).toEqual([])

    plane = await start()
    expect(plane).toMatchObject({ server: first.server, token: first.token, caData: first.caData })
    expect((await apiOf(plane).call('GET', `${settings}/kept`, undefined, signal)).status).toBe(200)
  })

  it('names the program that ended, its log and the last lines of it', async () => {
    const binaries = await controlPlaneBinaries({ env: process.env, progress: () => {} }, signal)
    const own = await temporaryFolder('control-plane')
    const broken = { ...binaries, etcd: '/bin/false' }
    const options = { directory: own.path, env: process.env, binaries: broken }
    await expect(startControlPlane(options, signal)).rejects.toThrow(/^etcd ended on its own .*etcd\.log/)
    await expect.poll(() => processesWith(own.path)).toEqual([])
    await own.remove()
  })
})

describe('the full control plane of the run', () => {
  it('has the version of Kubernetes that CHALLENGE_OPERATOR_KUBERNETES asks for', async () => {
    const { api } = sharedControlPlane()
    const { body } = await api.call('GET', '/version', undefined, signal)
    const { gitVersion } = JSON.parse(body)
    expect(gitVersion.slice(0, gitVersion.lastIndexOf('.'))).toBe(`v${chosenKubernetes(process.env)}`)
    expect(judgeVersion(gitVersion)).toMatchObject({ supported: true })
  })

  it('serves the admission policies that the manifests use', async () => {
    const { api } = sharedControlPlane()
    const { body } = await api.call('GET', '/apis/admissionregistration.k8s.io/v1', undefined, signal)
    const kinds = JSON.parse(body).resources.map((each: { kind: string }) => each.kind)
    expect(kinds).toContain('ValidatingAdmissionPolicy')
  })

  it('makes a Deployment available within seconds, and finishes the deletion of its namespace', async () => {
    const { api } = sharedControlPlane()
    const { name } = await testNamespace()
    const namespace = `/api/v1/namespaces/${name}`
    const path = `/apis/apps/v1/namespaces/${name}/deployments`
    const labels = { app: 'web' }
    const container = { name: 'main', image: 'registry.example/web:1' }
    const template = {
      metadata: { labels },
      spec: { containers: [container], terminationGracePeriodSeconds: 1 },
    }
    const spec = { replicas: 2, selector: { matchLabels: labels }, template }
    expect((await api.call('POST', path, { metadata: { name: 'web' }, spec }, signal)).status).toBe(201)
    const available = async () => {
      const { body } = await api.call('GET', `${path}/web`, undefined, signal)
      return JSON.parse(body).status.availableReplicas
    }
    await expect.poll(available, { timeout: 5_000 }).toBe(2)
    expect((await api.call('DELETE', namespace, undefined, signal)).status).toBe(200)
    const gone = () => api.call('GET', namespace, undefined, signal)
    await expect.poll(async () => (await gone()).status, { timeout: 20_000 }).toBe(404)
  })
})
