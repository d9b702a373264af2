import type { ChallengeInstance, Child } from '../../lib/crd/challenge-instance.ts'
import type { ChallengeTemplate } from '../../lib/crd/challenge-template.ts'
import { annotations, finalizer } from '../../lib/crd/group.ts'
import type { Stored } from '../../lib/crd/objects.ts'
import { referenceTo as referenceToObject } from '../../lib/crd/reference.ts'
import { desiredState } from '../../lib/desired/desired.ts'
import { noGround } from '../../lib/desired/exposure/exposure.ts'
import { isProblem } from '../../lib/desired/problem.ts'
import { childVersion } from '../../lib/observed/child-version.ts'
import { create, edit } from './edits.ts'
import { instanceOf } from './objects.ts'
import { phaseOf, referenceTo, type TestOperator } from './operator.ts'

/**
 * Makes an instance as a release left it that gave each instance a policy of its own: its children, and the record of
 * them. The instance is paused, so that an operator does nothing for it before `resumeInstance`.
 */
export async function createFormerInstance(
  operator: TestOperator,
  { name, template: templateName, team }: { name: string; template: string; team: number },
): Promise<void> {
  const { cluster, namespace, signal, config } = operator
  const { metadata, ...rest } = instanceOf(namespace, name, templateName, team)
  await create(operator, {
    ...rest,
    metadata: { ...metadata, finalizers: [finalizer], annotations: { [annotations.paused]: 'true' } },
  })
  const instance = (await phaseOf(operator, name, 'Pending', 'Paused')) as Stored<ChallengeInstance>
  const template = await cluster.get<ChallengeTemplate>(
    referenceTo(operator, 'ChallengeTemplate', templateName),
    signal,
  )
  if (template === undefined) throw new Error(`no template ${templateName}`)
  const desired = desiredState({
    instance,
    template,
    config,
    flag: undefined,
    env: {},
    placementNamespace: namespace,
    exposure: noGround,
    ownPolicy: true,
  })
  if (isProblem(desired)) throw new Error(desired.message)
  const children: Child[] = []
  for (const { object, hash } of desired.children) {
    const made = await cluster.create(object, signal)
    if (made === 'exists') throw new Error(`${object.kind} exists`)
    children.push({ ...referenceToObject(object), version: childVersion(made), hash })
  }
  const { uid, generation = 0 } = template.metadata
  const status = {
    ...instance.status,
    children,
    template: { uid, generation, hash: desired.templateHash },
  }
  const written = await cluster.putStatus({ ...instance, status }, signal)
  if (written === undefined) throw new Error(`the status of ${name} was changed meanwhile`)
}

/** Ends the pause of an instance. */
export async function resumeInstance(operator: TestOperator, name: string): Promise<void> {
  await edit(operator, 'ChallengeInstance', name, {
    metadata: { annotations: { [annotations.paused]: null } },
  })
}
