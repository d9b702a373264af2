import { DescribeSecretCommand } from '@aws-sdk/client-secrets-manager'
import { type ParameterMetadata, paginateDescribeParameters } from '@aws-sdk/client-ssm'
import type { Check, Finding } from '../../lib/doctor/check.ts'
import { type ClusterFile, secretNames } from '../plugin/cluster-file.ts'
import { ask, judged, named } from './ask.ts'
import { credentialsRemedy } from './remedies.ts'
import type { Stack } from './stack.ts'

/** Whether each secret is there, and encrypted with a key that the functions may use. The functions say whether they read it. */
export function secretsCheck(stack: Stack): Check {
  return {
    name: 'secrets',
    needs: 'account',
    remedy: credentialsRemedy,
    async look(signal) {
      const findings = secretNames.map(async name => named(name, await findingsOf(name, stack, signal)))
      return (await Promise.all(findings)).flat()
    },
  }
}

async function findingsOf(
  name: (typeof secretNames)[number],
  stack: Stack,
  abortSignal: AbortSignal,
): Promise<Finding[]> {
  const { secrets, databaseIam } = stack.file
  const arn = secrets[name]
  if (arn === '') {
    if (name === 'databaseUrl' && databaseIam)
      return [{ fine: 'IAM authenticates the user, without a secret' }]
    if (name === 'tracingHeaders') return []
    return [{ note: 'no ARN is given, so the value, if any, is a plain variable of the functions' }]
  }
  const gone = {
    problem: `there is no ${arn}`,
    remedy: `create it, or correct secrets.${name} in deploy.${stack.stage}.yml, and deploy`,
  }
  if (arn.split(':')[2] === 'ssm') {
    const answer = await ask('ssm:DescribeParameters', () => describeParameter(arn, stack, abortSignal))
    const judge = (found: ParameterMetadata | undefined): Finding => {
      if (found === undefined) return gone
      if (found.Type !== 'SecureString')
        return {
          problem: `it is a ${found.Type}, which is not encrypted`,
          remedy: 'write it anew as a SecureString',
        }
      return judgeKey(found.KeyId, secrets)
    }
    return judged(answer, judge, gone)
  }
  const question = new DescribeSecretCommand({ SecretId: arn })
  const answer = await ask('secretsmanager:DescribeSecret', () =>
    stack.clients.secretsManager.send(question, { abortSignal }),
  )
  return judged(
    answer,
    ({ DeletedDate, KmsKeyId }) =>
      DeletedDate === undefined
        ? judgeKey(KmsKeyId, secrets)
        : {
            problem: 'it is to be deleted, so nobody can read it',
            remedy: `aws secretsmanager restore-secret --region ${stack.file.region} --secret-id ${arn}`,
          },
    gone,
  )
}

/** A page may be empty although a later one has the parameter. */
async function describeParameter(
  arn: string,
  { clients: { ssm: client } }: Stack,
  abortSignal: AbortSignal,
): Promise<ParameterMetadata | undefined> {
  const question = { ParameterFilters: [{ Key: 'Name', Values: parameterNames(arn) }] }
  for await (const { Parameters: [found] = [] } of paginateDescribeParameters({ client }, question, {
    abortSignal,
  }))
    if (found !== undefined) return found
  return undefined
}

/** The ARNs of `pepper` and `/pepper` are the same. A name with several parts begins with a slash. */
export function parameterNames(arn: string): string[] {
  const name = arn.slice(arn.indexOf(':parameter/') + ':parameter/'.length)
  return name.includes('/') ? [`/${name}`] : [`/${name}`, name]
}

/** Judges whether the role may use the key of a secret. A key of AWS needs no right. @param key an ARN, an id or an alias */
export function judgeKey(
  key: string | undefined,
  { kmsKey }: Pick<ClusterFile['secrets'], 'kmsKey'>,
): Finding {
  if (key === undefined || /alias\/aws\//.test(key)) return { fine: 'it is there' }
  if (/alias\//.test(key))
    return { note: `it is there, encrypted with ${key}, which secrets.kmsKey has to name by its key` }
  const id = key.slice(key.lastIndexOf('/') + 1)
  if (kmsKey.endsWith(`/${id}`)) return { fine: 'it is there, encrypted with secrets.kmsKey' }
  return {
    problem: `it is encrypted with the key ${id}, which the functions may not use`,
    remedy: 'name the key as secrets.kmsKey in the file of the cluster, and deploy',
  }
}
