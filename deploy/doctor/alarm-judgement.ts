import type { MetricAlarm } from '@aws-sdk/client-cloudwatch'
import type { Finding } from '../../lib/doctor/check.ts'
import { objectIn } from './queue-judgement.ts'
import { revertRemedy } from './remedies.ts'

interface Statement {
  Effect?: string
  Action?: string | string[]
  Principal?: string | { AWS?: string | string[]; Service?: string | string[] }
}

/** Judges whether CloudWatch may publish to a topic. */
export function judgeTopic(attributes: Readonly<Record<string, string>>, arn: string): Finding {
  const statements = [objectIn(attributes.Policy)?.Statement ?? []].flat() as Statement[]
  const account = arn.split(':')[4] ?? ''
  if (!statements.some(each => letsCloudWatchPublish(each, account)))
    return {
      problem: 'its policy does not let CloudWatch publish, so no alarm arrives',
      remedy: 'allow sns:Publish for the service cloudwatch.amazonaws.com in the policy of the topic',
    }
  const key = attributes.KmsMasterKeyId ?? ''
  if (key.endsWith('alias/aws/sns'))
    return {
      problem: 'it is encrypted with alias/aws/sns, which CloudWatch may not use, so no alarm arrives',
      remedy:
        'choose a key of your own whose policy lets cloudwatch.amazonaws.com decrypt and generate data keys, or none',
    }
  if (key !== '')
    return { note: `it is encrypted with ${key}, whose policy has to let cloudwatch.amazonaws.com use it` }
  return { fine: 'CloudWatch may publish to it' }
}

/** The policy that SNS gives to a topic by default lets everybody of the account publish, and its alarms. */
function letsCloudWatchPublish({ Effect, Action = [], Principal = '' }: Statement, account: string): boolean {
  if (Effect !== 'Allow' || ![Action].flat().some(each => /^(\*|sns:(\*|publish))$/i.test(each))) return false
  if (typeof Principal === 'string') return Principal === '*'
  const services = [Principal.Service ?? []].flat()
  const principals = [Principal.AWS ?? []].flat()
  return (
    services.includes('cloudwatch.amazonaws.com') ||
    principals.some(each => each === '*' || each === account || each.endsWith(`:${account}:root`))
  )
}

/** @param arns of the subscriptions; one that waits has a word in place of an ARN */
export function judgeSubscriptions(arns: readonly string[], topic: string): Finding {
  const confirmed = arns.filter(each => each.startsWith('arn:')).length
  if (confirmed > 0) return { fine: `${confirmed} confirmed subscriptions` }
  if (arns.length > 0)
    return {
      problem: `none of its ${arns.length} subscriptions is confirmed, so an alarm reaches nobody`,
      remedy: 'follow the link in the mail that SNS has sent',
    }
  const [, , , region] = topic.split(':')
  return {
    problem: 'nobody is subscribed, so an alarm reaches nobody',
    remedy: `aws sns subscribe --region ${region} --topic-arn ${topic} --protocol email --notification-endpoint <address>`,
  }
}

/** Judges the alarms of the stack. */
export function judgeAlarms(
  found: readonly MetricAlarm[],
  { names, topic, region }: { names: readonly string[]; topic: string | undefined; region: string },
): Finding[] {
  const findings: Finding[] = []
  const gone = names.filter(name => !found.some(({ AlarmName }) => AlarmName === name))
  if (gone.length > 0) findings.push({ problem: `deleted: ${gone.join(', ')}`, remedy: revertRemedy })
  const silent = found.filter(({ ActionsEnabled }) => ActionsEnabled === false).map(nameOf)
  if (silent.length > 0)
    findings.push({
      problem: `told to be silent: ${silent.join(', ')}`,
      remedy: `aws cloudwatch enable-alarm-actions --region ${region} --alarm-names ${silent.join(' ')}`,
    })
  const elsewhere = found.filter(
    ({ AlarmActions = [] }) => topic !== undefined && !AlarmActions.includes(topic),
  )
  if (elsewhere.length > 0)
    findings.push({
      problem: `they do not tell ${topic}: ${elsewhere.map(nameOf).join(', ')}`,
      remedy: 'deploy again, which writes alarmTopicArn of the file of the cluster into them',
    })
  for (const { AlarmDescription = '', StateUpdatedTimestamp: since, ...alarm } of found)
    if (alarm.StateValue === 'ALARM')
      findings.push({
        problem: `rings since ${since?.toISOString() ?? 'an unknown time'}: ${AlarmDescription} (${nameOf(alarm)})`,
        remedy: 'docs/operations.md, "Alarms"',
      })
  return findings.length > 0 ? findings : [{ fine: `${found.length} of them, and none rings` }]
}

const nameOf = ({ AlarmName = '' }: Pick<MetricAlarm, 'AlarmName'>) => AlarmName
