import { annotations } from '../../lib/crd/group.ts'
import type { KubernetesObject, Secret } from '../../lib/crd/objects.ts'
import type { Cluster } from '../../lib/kubernetes/cluster.ts'
import { createRepairNamespace } from '../../lib/reconcile/namespace/repair-namespace.ts'
import { silentLog } from '../../lib/telemetry/log.ts'
import { waitUntil } from '../../local/process/wait.ts'
import { create, remove } from './edits.ts'
import { instanceOf, templateOf } from './objects.ts'
import { eventually, phaseOf, startTestOperator, type TestOperator } from './operator.ts'
import type { OperatorPartsOptions } from './operator-parts.ts'
import { namespaceCalled } from './placed.ts'
import { sweepOnce } from './sweeping.ts'

/** Makes everything happen once that only placements other than `Shared` do, then stops its operator. */
export async function placedLife(
  options: Pick<OperatorPartsOptions, 'plane' | 'kubeconfigOf'> & {
    queues: NonNullable<OperatorPartsOptions['queues']>
    /** The cluster with the rights of sweep. */
    sweeping: Cluster
    /** The cluster with the rights of reconcile. */
    reconciling: Cluster
  },
): Promise<void> {
  const { sweeping, reconciling, ...parts } = options
  const env = {
    OPERATOR_PLACEMENTS: 'Shared,Event,Instance',
    OPERATOR_NAMESPACE_PREFIX: 'placed-',
    OPERATOR_EVENT_QUOTA: 'pods=20',
  }
  const operator = await startTestOperator({ ...parts, challenges: ['event', 'own'], env })
  const resync = () => sweepOnce(operator, options.queues, { cluster: sweeping })
  try {
    await live(operator, { resync, reconciling })
  } finally {
    await operator.stop()
  }
}

interface Rights {
  resync: () => Promise<unknown>
  reconciling: Cluster
}

async function live(operator: TestOperator, { resync, reconciling }: Rights): Promise<void> {
  const { cluster, namespace, signal } = operator
  const config = Buffer.from('{"auths":{}}').toString('base64')
  const pullSecret: Secret = {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'registry' },
    type: 'kubernetes.io/dockerconfigjson',
    data: { '.dockerconfigjson': config },
  }
  await create(operator, pullSecret)
  const flagStrategy = { type: 'hmac-per-instance' } as const
  const imagePullSecrets = ['registry']
  await create(
    operator,
    templateOf(namespace, 'event', { placement: 'Event', flagStrategy, imagePullSecrets }),
  )
  await create(operator, templateOf(namespace, 'own', { placement: 'Instance' }))
  for (const template of ['event', 'own'])
    await create(operator, instanceOf(namespace, `placed-${template}`, template))
  for (const template of ['event', 'own']) await phaseOf(operator, `placed-${template}`, 'Ready')

  // A changed Secret is found by a resync. The pass behind it puts back everything that the namespace has once.
  const place = 'placed-event-1'
  const range = { apiVersion: 'v1', kind: 'LimitRange', namespace: place, name: 'challenge-operator' }
  const mark = { op: 'add', path: '/metadata/annotations', value: { seen: 'x' } } as const
  await cluster.delete(
    { apiVersion: 'v1', kind: 'Secret', namespace: place, name: 'placed-event' },
    {},
    signal,
  )
  await cluster.patchJson(range, [mark], signal)
  const version = async () => (await cluster.getMetadata(range, signal))?.metadata.managedFields
  const before = JSON.stringify(await version())
  await resync()
  const isPutBack = async () => JSON.stringify(await version()) !== before
  await waitUntil('the LimitRange put back', 60_000, isPutBack, signal)

  const { uid = '' } = (await namespaceCalled(operator, place))?.metadata ?? {}
  const unset = { placement: { ...operator.config.placement, eventQuota: undefined } }
  await createRepairNamespace({ cluster: reconciling, config: unset, log: silentLog })(
    { name: place, uid },
    signal,
  )

  for (const template of ['event', 'own']) await remove(operator, 'ChallengeInstance', `placed-${template}`)
  const isGone = (each: KubernetesObject | undefined) => each === undefined
  for (const template of ['event', 'own'])
    await eventually(operator, 'ChallengeInstance', `placed-${template}`, isGone, 60_000)
  await resync()
  const isMarked = async () =>
    (await namespaceCalled(operator, place))?.metadata.annotations?.[annotations.unusedSince] !== undefined
  await waitUntil('the mark of the unused namespace', 60_000, isMarked, signal)
}
