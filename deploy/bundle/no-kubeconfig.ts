import { OperatorError } from '../../lib/errors.ts'

/** Stands for the parser of kubeconfigs. */
export async function kubeconfigAddress(): Promise<never> {
  throw new OperatorError(
    'OperatorMisconfigured',
    'A deployed function reads no kubeconfig; set EKS_CLUSTER_NAME, EKS_CLUSTER_ENDPOINT and EKS_CLUSTER_CA.',
  )
}
