import { isExposingKind } from '../../crd/child-kinds.ts'
import { exposedServiceName } from '../identity.ts'

/** Whether players from outside of the cluster reach an instance by this child. @param instance name of the instance */
export function isExposingChild(child: { kind: string; name: string }, instance: string): boolean {
  return isExposingKind(child) || (child.kind === 'Service' && child.name === exposedServiceName(instance))
}
