import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openReceiver } from '../../../lib/aws/receiver.ts'
import type { ChallengeInstance } from '../../../lib/crd/challenge-instance.ts'
import { apiVersion } from '../../../lib/crd/group.ts'
import { openClient } from '../../../lib/kubernetes/client/client.ts'
import type { KubernetesClient } from '../../../lib/kubernetes/client/http.ts'
import type { Cluster } from '../../../lib/kubernetes/cluster.ts'
import { readManifests } from '../../../lib/kubernetes/install/manifests.ts'
import { openCluster } from '../../../lib/kubernetes/open-cluster.ts'
import { waitUntil } from '../../../local/process/wait.ts'
import { createAsAdmin } from '../../support/admin-objects.ts'
import { type AuditedPlane, startAuditedPlane } from '../../support/audited-plane.ts'
import { type Command, runCommand, startCommand } from '../../support/command.ts'
import { type ExternalEnvironment, externalEnvironment } from '../../support/external-environment.ts'
import { instanceOf } from '../../support/objects.ts'
import { processesWith } from '../../support/processes.ts'
import { testQueues } from '../../support/shared-parts.ts'
import { type TemporaryFolder, temporaryFolder } from '../../support/temporary-folder.ts'
import { oldCrds } from '../manifests/old-crds.ts'

const signal = AbortSignal.timeout(900_000)

let folder: TemporaryFolder
let plane: AuditedPlane
let parts: ExternalEnvironment
let client: KubernetesClient
let cluster: Cluster
let external: ExternalEnvironment['env']

beforeAll(async () => {
  folder = await temporaryFolder('cli-external')
  plane = await startAuditedPlane({ full: false, installed: false })
  parts = await externalEnvironment(plane.kubeconfig)
  external = parts.env
  client = openClient({ connection: { kind: 'kubeconfig', path: plane.kubeconfig }, userAgent: 'test' })
  cluster = openCluster(client)
  await startOld()
})
afterAll(async () => {
  await client?.close()
  await plane?.stop()
  await parts?.database.remove()
  await folder?.remove()
})

/** Makes the cluster one of an older operator, with an instance whose name this version refuses. */
async function startOld(): Promise<void> {
  for (const object of oldCrds) await cluster.apply(object, signal)
  const collection = `/apis/${apiVersion}/namespaces/default`
  const store = async (kind: string, name: string, spec: object) => {
    const body = { apiVersion, kind, metadata: { name }, spec }
    const path = `${collection}/${kind.toLowerCase()}s`
    const isStored = async () => (await client.request('POST', path, { body }, signal)).status === 201
    await waitUntil(`${kind} ${name}`, 20_000, isStored, signal)
  }
  await store('ChallengeTemplate', 'web', { image: 'a:1', resources: { cpu: '10m', memory: '16Mi' } })
  await store('ChallengeInstance', '1st.bad', { templateRef: 'web', owner: { teamId: 1, eventId: 1 } })
}
describe('the commands with external parts', () => {
  let up: Command | undefined
  afterAll(async () => {
    up?.child.kill('SIGTERM')
    await up?.ended
  })

  test('doctor names each problem and its remedy', async () => {
    const changesUrl = external.CHANGES_QUEUE_URL?.replace('.fifo', '-not.fifo')
    const env = { ...external, CHANGES_QUEUE_URL: changesUrl }
    const { code, output } = await runCommand(['doctor'], env)
    expect(output).toMatch(/^ok +cluster +Kubernetes v1.*, as user \S+$/m)
    expect(output).toMatch(/^ok +cluster version +Kubernetes 1\.\d+ is supported/m)
    expect(output).toMatch(/^ok +cluster tls +encrypted and verified; .* valid until \d{4}-/m)
    expect(output).toMatch(/^ok +cluster clock +this machine and the cluster agree/m)
    expect(output).toMatch(
      /^FAIL +policies .*challenge-operator-templates is missing.*\n +→ run: npx challenge-operator crds/m,
    )
    expect(output).toMatch(/^- +rights +the accounts of the functions have no rights/m)
    expect(output).toMatch(/^ok +rights +this user, \S+, may do everything that the functions do$/m)
    expect(output).toMatch(/^FAIL +schema .*an older operator's.*\n +→ run: npx challenge-operator crds/m)
    expect(output).toMatch(/^FAIL +changes .*\n +→ check CHANGES_QUEUE_URL/m)
    expect(output).toMatch(
      /^FAIL +database +the operator's tables are missing or older .*\n +→ run: npx challenge-operator migrate/m,
    )
    expect(output).toMatch(/^ok +timers /m)
    expect(code).toBe(1)
  })

  test('doctor tells refused credentials from a missing resource definition', async () => {
    const config = await readFile(plane.kubeconfig, 'utf8')
    const refused = join(folder.path, 'refused.kubeconfig')
    await writeFile(refused, config.replace(/("?token"?: *)[^\s,}]+/, '$1"refused"'))
    const { code, output } = await runCommand(['doctor'], { ...external, KUBECONFIG: refused })
    expect(output).toMatch(
      /^FAIL +cluster +the cluster does not accept the credentials of KUBECONFIG \(401\)\n +→ log in again/m,
    )
    expect(output).toMatch(/^- +schema +not checked, because the check of the cluster failed$/m)
    expect(output).not.toMatch(/challenge-operator crds/)
    expect(code).toBe(1)
  })

  test('doctor checks the accounts of the functions once their roles are there', async () => {
    const roles = await readManifests('rbac')
    for (const object of roles) await createAsAdmin(client, object, signal)
    const granted = (await runCommand(['doctor'], external)).output
    for (const name of ['watch-forwarder', 'reconcile', 'sweep'])
      expect(granted).toMatch(
        new RegExp(`^ok +rights +${name}: the group challenge-operator:${name} may do everything`, 'm'),
      )
    const lessNamed = 'challenge-operator-sweep'
    const path = `/apis/rbac.authorization.k8s.io/v1/clusterroles/${lessNamed}`
    const contentType = 'application/json-patch+json'
    const body = [{ op: 'remove', path: '/rules/0' }]
    expect((await client.request('PATCH', path, { body, contentType }, signal)).status).toBe(200)
    const less = (await runCommand(['doctor'], external)).output
    expect(less).toMatch(
      /^FAIL +rights +sweep: the group challenge-operator:sweep may not: .*\n +→ apply manifests/m,
    )
    expect(less).toMatch(/^ok +rights +reconcile: /m)
  })

  test('migrate creates the tables once and does nothing the second time', async () => {
    expect(await runCommand(['migrate'], external)).toEqual({
      code: 0,
      output: expect.stringMatching(/^migrated: /),
    })
    expect(await runCommand(['migrate'], external)).toEqual({
      code: 0,
      output: 'the database is up to date\n',
    })
  })

  test('up upgrades the CRDs of an older operator, says so, and creates nothing else', async () => {
    const before = (await plane.calls(signal)).length
    up = startCommand(['up', '--directory', join(folder.path, 'external')], {
      ...external,
      OPERATOR_PLATFORM: 'none',
    })
    await up.until('the operator is running')
    for (const part of ['cluster', 'database', 'queues']) expect(up.output).toContain(`${part}: external`)
    for (const kind of ['instances', 'templates'])
      expect(up.output).toContain(`upgraded customresourcedefinition/challenge${kind}.infra.ctf.example.com`)
    await up.until('NameInvalid')

    const reference = { apiVersion, kind: 'ChallengeInstance', namespace: 'default', name: '1st.bad' }
    const stalled = await cluster.get<ChallengeInstance>(reference, signal)
    expect(stalled?.status?.message).toContain('The name "1st.bad" cannot name a Service')
    await cluster.delete(reference, {}, signal)
    await up.until('gone')
    expect(await cluster.get(reference, signal)).toBeUndefined()
    const gone = await runCommand(['timeline', 'default/1st.bad', '-o', 'json'], external)
    expect(JSON.parse(gone.output)).toMatchObject([
      {
        deletedAt: expect.stringMatching(/Z$/),
        events: [
          { type: 'instance.failed', reason: 'NameInvalid', message: stalled?.status?.message },
          { type: 'instance.deleted' },
        ],
      },
    ])
    up.child.kill('SIGINT')
    expect((await up.ended).code).toBe(0)

    const calls = (await plane.calls(signal)).slice(before)
    const ours = calls.filter(
      ({ userAgent, code }) => userAgent.startsWith('challenge-operator/') && code < 300,
    )
    const writes = ours.filter(({ verb, uri }) => verb !== 'get' && !uri.includes('dryRun=All'))
    const made = writes.filter(({ verb, uri }) => verb === 'create' || uri.includes('force=true'))
    expect([...new Set(made.map(({ resource }) => resource))].toSorted()).toEqual([
      'configmaps',
      'customresourcedefinitions',
      // What went wrong with the instance.
      'events',
      'leases',
      'validatingadmissionpolicies',
      'validatingadmissionpolicybindings',
    ])
    expect(await processesWith(folder.path)).toEqual([])
  })

  test('crds changes nothing the second time', async () => {
    const { code, output } = await runCommand(['crds'], external)
    expect(code).toBe(0)
    expect(
      output
        .trim()
        .split('\n')
        .map(line => line.split(' ')[0]),
    ).toEqual(Array(11).fill('unchanged'))
  })

  test('doctor says that the cluster belongs to the installation of up, and --take-over changes it', async () => {
    const other = { ...external, OPERATOR_STACK: 'container' }
    const { output } = await runCommand(['doctor'], other)
    expect(output).toMatch(
      /^FAIL +installation +the cluster belongs to local\/\S+, and this is container.*\n +→ .*doctor --take-over/m,
    )
    const taken = await runCommand(['doctor', '--take-over'], other)
    expect(taken.output).toMatch(/^the cluster belongs to container now; before, to local\/\S+$/m)
    expect(taken.output).toMatch(
      /^- +installation +the cluster belongs to container, and no forwarder leads$/m,
    )
  })

  test('forward takes the lease, sends messages, and releases the lease at its end', async () => {
    // It has queues of its own, because the SQS server may hand a message to a poll that `up` left behind.
    const { changesUrl, clientOptions } = await testQueues()
    const forward = startCommand(['forward'], {
      ...external,
      OPERATOR_STACK: 'container',
      CHANGES_QUEUE_URL: changesUrl,
    })
    await forward.until('lease is ours, leading')
    const body = instanceOf('default', 'forwarded', 'web', 1)
    const path = `/apis/${apiVersion}/namespaces/default/challengeinstances`
    await client.request('POST', path, { body }, signal)
    const receiver = openReceiver({ queueUrl: changesUrl, clientOptions })
    const received: unknown[] = []
    // A receive may return early with no message.
    const hasCome = async () => {
      received.push(...(await receiver.receive(signal)).map(({ body }) => JSON.parse(body)))
      return received.length > 0
    }
    await waitUntil('the message', 20_000, hasCome, signal)
    expect(received).toMatchObject([{ name: 'forwarded', cause: 'changed' }])
    receiver.close()
    forward.child.kill('SIGTERM')
    expect(await forward.ended).toEqual({ code: 0, output: expect.stringContaining('lease given up') })
    const finalizers = { metadata: { finalizers: null } }
    const contentType = 'application/merge-patch+json'
    await client.request('DELETE', `${path}/forwarded`, {}, signal)
    await client.request('PATCH', `${path}/forwarded`, { body: finalizers, contentType }, signal)
  })

  test('get lists the instances and exits with 1 for a name that no instance has', async () => {
    expect(await runCommand(['get'], external)).toEqual({ code: 0, output: 'There are no instances.\n' })
    const none = { code: 1, output: 'No instance is called nobody.\n' }
    expect(await runCommand(['get', 'nobody'], external)).toEqual(none)
  })
})
