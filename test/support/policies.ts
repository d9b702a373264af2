import { fieldManager, labels } from '../../lib/crd/group.ts'
import type { Deployment, NetworkPolicy, Stored } from '../../lib/crd/objects.ts'
import { instanceCalled } from './consistency.ts'
import { create } from './edits.ts'
import { referenceTo, type TestOperator } from './operator.ts'

/** The name of the shared policy that selects the pod of an instance; undefined: none does. */
export async function policyNameOf(operator: TestOperator, instance: string): Promise<string | undefined> {
  const reference = referenceTo(operator, 'Deployment', instance)
  const deployment = await operator.cluster.get<Deployment>(reference, operator.signal)
  return deployment?.spec.template.metadata?.labels?.[labels.policy]
}

/** The shared policy that selects the pod of an instance. */
export async function policyOf(
  operator: TestOperator,
  instance: string,
): Promise<Stored<NetworkPolicy> | undefined> {
  const name = await policyNameOf(operator, instance)
  if (name === undefined) return undefined
  return operator.cluster.get<NetworkPolicy>(referenceTo(operator, 'NetworkPolicy', name), operator.signal)
}

/** Creates the policy that an earlier release made for an instance. It has no owner, so nobody but the operator deletes it. */
export async function createOwnPolicy(operator: TestOperator, instance: string): Promise<void> {
  const uid = (await instanceCalled(operator, instance))?.metadata.uid ?? ''
  const own = {
    [labels.managedBy]: fieldManager,
    [labels.instance]: instance,
    [labels.instanceNamespace]: operator.namespace,
    [labels.instanceUid]: uid,
  }
  const spec = { podSelector: { matchLabels: { [labels.instanceUid]: uid } }, policyTypes: ['Egress'] }
  const metadata = { name: instance, labels: own }
  const policy = { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata, spec }
  const { status } = await create(operator, policy)
  if (status !== 201) throw new Error(`the policy of ${instance} was refused with ${status}`)
}
