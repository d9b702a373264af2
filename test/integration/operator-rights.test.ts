import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { clusterPart } from '../../functions/examine/cluster.ts'
import { databasePart } from '../../functions/examine/database.ts'
import { type ExaminedPart, examinable } from '../../functions/examine/examine.ts'
import { queueParts } from '../../functions/examine/queues.ts'
import { type ExaminationAnswer, examinationSource } from '../../lib/doctor/examination.ts'
import { openClient } from '../../lib/kubernetes/client/client.ts'
import type { KubernetesClient } from '../../lib/kubernetes/client/http.ts'
import { collectionPath } from '../../lib/kubernetes/client/paths.ts'
import { ownName } from '../../lib/kubernetes/install/accounts.ts'
import { rightsNeeded } from '../../lib/kubernetes/install/rights.ts'
import { leaseAccess } from '../../lib/kubernetes/lease/access.ts'
import { forwarderLease, holderOf } from '../../lib/kubernetes/lease/record.ts'
import { openDatabase } from '../../lib/store/database.ts'
import { newestMigration } from '../../lib/store/migrations.ts'
import { lambdaContext } from '../../local/lambda/context.ts'
import { waitUntil } from '../../local/process/wait.ts'
import { startTestOperator, type TestOperator } from '../support/operator.ts'
import { sharedControlPlane, testDatabase, testNamespace, testQueues } from '../support/shared-parts.ts'

let operator: TestOperator
/** Its roles are bound in all namespaces, and those of placements too. */
let wide: TestOperator
let elsewhere: string

beforeAll(async () => {
  const placements = { OPERATOR_PLACEMENTS: 'Shared,Event,Instance', OPERATOR_NAMESPACE_PREFIX: 'wide-' }
  ;[operator, wide, { name: elsewhere }] = await Promise.all([
    startTestOperator({ env: { OPERATOR_STACK: 'test/owner' } }),
    startTestOperator({ env: placements }),
    testNamespace(),
  ])
  await wide.accounts.bind({ namespaces: '*', placesElsewhere: false }, wide.signal)
})
afterAll(() => Promise.all([operator?.stop(), wide?.stop()]))

async function statusOf(of: TestOperator, functionName: string, kind: string, namespace: string) {
  const client = of.clientFor(functionName)
  return (await client.request('GET', collectionPath({ apiVersion: 'v1', kind }, namespace), {}, of.signal))
    .status
}

describe('a function of an operator in a test', () => {
  it.each([
    ['reconcile', 'Secret'],
    ['watch-forwarder', 'Secret'],
    ['timer', 'Pod'],
    ['publish', 'Pod'],
  ])(
    '%s may not list each %s of the watched namespace, which its role does not grant',
    async (name, kind) => {
      expect(await statusOf(operator, name, kind, operator.namespace)).toBe(403)
    },
  )

  it.each([
    ['watch-forwarder', 'Pod'],
    ['sweep', 'Secret'],
  ])('%s may list each %s of the watched namespace, and of no other', async (name, kind) => {
    expect(await statusOf(operator, name, kind, operator.namespace)).toBe(200)
    expect(await statusOf(operator, name, kind, elsewhere)).toBe(403)
    expect(await statusOf(wide, name, kind, elsewhere)).toBe(200)
  })

  it('has a name that no other operator has', async () => {
    const names = await Promise.all(
      [operator, wide].flatMap(each =>
        ['reconcile', 'sweep'].map(name => ownName(each.clientFor(name), each.signal)),
      ),
    )
    expect(new Set(names).size).toBe(4)
    for (const name of names)
      expect(name).toMatch(/^system:serviceaccount:operator-[0-9a-f]+:challenge-operator-/)
  })

  it('may not call the API server as an administrator', async () => {
    const { kubeconfig } = sharedControlPlane()
    for (const administrator of ['reconcile', 'sweep', 'watch-forwarder']) {
      const kubeconfigOf = (name: string) =>
        name === administrator ? kubeconfig : operator.accounts.kubeconfigOf(name)
      await expect(startTestOperator({ kubeconfigOf })).rejects.toThrow('as an administrator')
    }
  })
})

describe('a function that doctor examines', () => {
  const hasLeader = async () => {
    const access = leaseAccess(operator.client, operator.config.leaseNamespace, forwarderLease)
    return holderOf(await access.read(operator.signal)) !== ''
  }
  /** Asks as `doctor` does. @returns the findings by part */
  async function examined(parts: readonly ExaminedPart[], functionName = 'reconcile') {
    const rights = await rightsNeeded({ namespaces: operator.config.namespaces, functionName })
    const ask = examinable(async () => undefined, parts)
    const request = { source: examinationSource, rights, newestMigration } as const
    const { lines } = (await ask(request, lambdaContext(functionName, 60_000))) as ExaminationAnswer
    return Object.fromEntries(lines.map(({ part, finding }) => [part, finding]))
  }
  const clusterOf = (client: KubernetesClient, stack = 'test/owner') =>
    clusterPart({ client, namespace: operator.config.leaseNamespace, writer: { stack } })

  it.each(['watch-forwarder', 'reconcile', 'sweep'])('%s says that it has all it needs', async name => {
    await waitUntil('a leading forwarder', 30_000, hasLeader, operator.signal)
    expect(await examined([clusterOf(operator.clientFor(name))], name)).toEqual({
      cluster: {
        fine: expect.stringMatching(
          /^Kubernetes v1\S+ accepts its token, as system:serviceaccount:\S+; this version is supported$/,
        ),
      },
      definitions: { fine: expect.any(String) },
      rights: { fine: expect.stringMatching(/^it has all \d{2,} rights in the cluster that it needs$/) },
      lease: { fine: expect.stringContaining('leads since') },
    })
  })

  it('names each right that its role lacks, and the mend', async () => {
    const lines = await examined([clusterOf(operator.clientFor('watch-forwarder'))])
    expect(lines.rights).toEqual({
      problem: expect.stringMatching(/may not: .*patch deployments\.apps in .*\(403\)$/),
      remedy: expect.stringContaining('kubectl apply --server-side -k manifests'),
    })
  })

  it('tells a role that the cluster does not know from a right that is missing', async () => {
    const { server, caData } = sharedControlPlane()
    const ca = Buffer.from(caData, 'base64').toString()
    const token = async () => 'k8s-aws-v1.nobody'
    const client = openClient({ connection: { kind: 'server', server, ca, token }, userAgent: 'test' })
    expect(await examined([clusterOf(client)])).toEqual({
      cluster: {
        problem: expect.stringContaining('(401)'),
        remedy: expect.stringContaining('accessEntries: true'),
      },
    })
  })

  it('says that the cluster belongs to another stack', async () => {
    await waitUntil('a leading forwarder', 30_000, hasLeader, operator.signal)
    const { lease } = await examined([clusterOf(operator.clientFor('sweep'), 'another/stack')], 'sweep')
    expect(lease).toEqual({
      problem: 'the cluster belongs to test/owner, so this stack writes nothing there',
      remedy: expect.stringContaining('doctor --take-over'),
    })
  })

  it('examines the database: its tables, and whether it can be reached', async () => {
    const empty = await testDatabase()
    const at = (address: string) =>
      databasePart({ db: openDatabase({ url: address }), address, platform: 'django' })
    const { database: fine } = await examined([at(operator.databaseUrl)])
    expect(fine).toHaveProperty('fine')
    const { database: unmigrated } = await examined([at(empty.url)])
    expect(unmigrated).toMatchObject({ remedy: 'run: npx challenge-operator migrate' })
    const { database: away } = await examined([at('postgres://u:p@127.0.0.1:1/d')])
    expect(away).toMatchObject({ remedy: expect.stringContaining('Private subnets') })
    expect(JSON.stringify(away)).not.toContain('u:p')
    await empty.remove()
  })

  it('examines the queues: whether each is there, and whether SQS answers', async () => {
    const { clientOptions, ...urls } = await testQueues()
    const { queue: fine } = await examined(queueParts([urls.changesUrl], clientOptions))
    expect(fine).toEqual({ fine: expect.stringMatching(/^SQS answers about .*changes\.fifo$/) })
    const missing = urls.changesUrl.replace('.fifo', '-gone.fifo')
    expect((await examined(queueParts([missing], clientOptions))).queue).toMatchObject({
      problem: expect.stringContaining('does not exist'),
      remedy: expect.stringContaining('deploy again'),
    })
    const nowhere = { ...clientOptions, endpoint: 'http://127.0.0.1:1', maxAttempts: 1 }
    expect((await examined(queueParts(['http://127.0.0.1:1/1/changes.fifo'], nowhere))).queue).toMatchObject({
      remedy: expect.stringContaining('Private subnets'),
    })
  })
})
