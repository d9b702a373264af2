import { type Cluster, DescribeAccessEntryCommand, DescribeClusterCommand } from '@aws-sdk/client-eks'
import { partitionOf } from '../../lib/aws/partition.ts'
import type { Check, Finding } from '../../lib/doctor/check.ts'
import type { ClusterFile } from '../plugin/cluster-file.ts'
import { roleName } from '../plugin/names.ts'
import { ask, judged, named } from './ask.ts'
import { credentialsRemedy, deployRemedy } from './remedies.ts'
import type { Stack } from './stack.ts'

/** The functions that call the cluster, each with a group of its own there. */
const callers = ['watch-forwarder', 'reconcile', 'sweep'] as const

/** What EKS says of the cluster and of the roles' entries. Only the functions can tell whether they get in. */
export function clusterChecks(stack: Stack): Check[] {
  return [
    {
      name: 'cluster',
      needs: 'account',
      remedy: credentialsRemedy,
      async look(abortSignal) {
        const { name } = stack.file.cluster
        const answer = await ask('eks:DescribeCluster', () =>
          stack.clients.eks.send(new DescribeClusterCommand({ name }), { abortSignal }),
        )
        const gone = {
          problem: `there is no EKS cluster ${name} in ${stack.file.region} of this account`,
          remedy: `correct cluster.name in deploy.${stack.stage}.yml, and deploy`,
        }
        return judged(
          answer,
          ({ cluster }) => (cluster === undefined ? gone : judgeCluster(cluster, stack)),
          gone,
        )
      },
    },
    {
      name: 'access entries',
      needs: 'cluster',
      remedy: credentialsRemedy,
      look: async signal =>
        (await Promise.all(callers.map(each => entryFindings(each, stack, signal)))).flat(),
    },
  ]
}

/** Judges the cluster against its file. */
export function judgeCluster(
  { status, version, endpoint, certificateAuthority, resourcesVpcConfig, accessConfig }: Cluster,
  { file, stage }: { file: ClusterFile; stage: string },
): Finding[] {
  const problems: Finding[] = []
  const correct = (key: string) => `correct ${key} in deploy.${stage}.yml, then ${deployRemedy({ stage })}`
  const { endpointPublicAccess, endpointPrivateAccess, publicAccessCidrs = [] } = resourcesVpcConfig ?? {}
  if (status !== 'ACTIVE') problems.push({ problem: `it is ${status}`, remedy: 'look at the cluster in EKS' })
  if (endpoint !== undefined && endpoint.toLowerCase() !== file.cluster.endpoint.toLowerCase())
    problems.push({
      problem: `its endpoint is ${endpoint}, and the file says another one`,
      remedy: correct('cluster.endpoint'),
    })
  if (certificateAuthority?.data !== undefined && certificateAuthority.data !== file.cluster.ca)
    problems.push({
      problem: 'its certificate authority is another one than in the file',
      remedy: correct('cluster.ca'),
    })
  if (accessConfig?.authenticationMode === 'CONFIG_MAP' && file.accessEntries)
    problems.push({
      problem: 'its authentication mode is CONFIG_MAP, which knows no access entries',
      remedy: `aws eks update-cluster-config --region ${file.region} --name ${file.cluster.name} --access-config authenticationMode=API_AND_CONFIG_MAP`,
    })
  if (file.vpc === undefined && endpointPublicAccess === false)
    problems.push({
      problem: 'it has no public endpoint, and the functions run outside of a VPC',
      remedy: correct('vpc'),
    })
  const reachable = endpointPublicAccess === true && publicAccessCidrs.includes('0.0.0.0/0')
  if (file.vpc === undefined && endpointPublicAccess === true && !reachable && publicAccessCidrs.length > 0)
    problems.push({
      problem: `its public endpoint lets in ${publicAccessCidrs.join(', ')} only, and functions outside of a VPC have any address`,
      remedy: correct('vpc'),
    })
  if (problems.length > 0) return problems
  const fine: Finding = {
    fine: `${file.cluster.name} is ACTIVE, Kubernetes ${version}, at the endpoint of the file`,
  }
  if (file.vpc !== undefined && endpointPrivateAccess === false)
    return [
      fine,
      { note: 'it has no private endpoint, so the functions reach it through a NAT gateway only' },
    ]
  return [fine]
}

async function entryFindings(
  name: (typeof callers)[number],
  stack: Stack,
  abortSignal: AbortSignal,
): Promise<Finding[]> {
  const { account } = await stack.identity(abortSignal)
  const { region, cluster, accessEntries } = stack.file
  const principalArn = `arn:${partitionOf(region)}:iam::${account}:role/${roleName({ cluster: cluster.name, region }, name)}`
  const question = new DescribeAccessEntryCommand({ clusterName: cluster.name, principalArn })
  const answer = await ask('eks:DescribeAccessEntry', () => stack.clients.eks.send(question, { abortSignal }))
  const command = (action: string) =>
    `aws eks ${action} --region ${region} --cluster-name ${cluster.name} --principal-arn ${principalArn} --kubernetes-groups ${groupOf(name)}`
  const gone: Finding = accessEntries
    ? {
        problem: 'its role has no access entry, so the cluster refuses it (401)',
        remedy: `${deployRemedy(stack)}; if the entry was deleted: ${command('create-access-entry')}`,
      }
    : { note: 'its role has no access entry (accessEntries: false); another way has to let it in' }
  return named(
    name,
    judged(
      answer,
      ({ accessEntry }) =>
        judgeEntry(accessEntry?.kubernetesGroups ?? [], { name, update: command('update-access-entry') }),
      gone,
    ),
  )
}

const groupOf = (name: string) => `challenge-operator:${name}`

/** @param entry `update`: the command that gives the entry the group of the function `name` */
export function judgeEntry(
  groups: readonly string[],
  { name, update }: { name: string; update: string },
): Finding {
  if (groups.includes(groupOf(name))) return { fine: `its role is in the group ${groupOf(name)}` }
  return {
    problem: `its role is in the groups ${groups.join(', ') || '(none)'}, and has no rights without ${groupOf(name)} (403)`,
    remedy: update,
  }
}
