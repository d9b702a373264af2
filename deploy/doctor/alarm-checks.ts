import { DescribeAlarmsCommand, type MetricAlarm } from '@aws-sdk/client-cloudwatch'
import { GetTopicAttributesCommand, ListSubscriptionsByTopicCommand } from '@aws-sdk/client-sns'
import type { Check, Finding } from '../../lib/doctor/check.ts'
import { judgeAlarms, judgeSubscriptions, judgeTopic } from './alarm-judgement.ts'
import { ask, judged } from './ask.ts'
import { credentialsRemedy, deployRemedy, revertRemedy } from './remedies.ts'
import type { Stack } from './stack.ts'

/** Whether an alarm would reach somebody, and which ones ring. */
export function alarmChecks(stack: Stack): Check[] {
  const topic = stack.file.alarmActions?.[0]
  return [
    {
      name: 'alarm topic',
      needs: 'account',
      remedy: credentialsRemedy,
      look: async signal =>
        topic === undefined
          ? { note: 'alarmTopicArn is not set, so alarms show in the console only' }
          : topicFindings(topic, stack, signal),
    },
    {
      name: 'alarms',
      needs: 'stack',
      remedy: credentialsRemedy,
      async look(abortSignal) {
        const ids = await stack.idsOf('AWS::CloudWatch::Alarm', abortSignal)
        // Without names, CloudWatch would tell of every alarm of the account.
        if (ids.length === 0) return { problem: 'the stack has none', remedy: deployRemedy(stack) }
        const question = new DescribeAlarmsCommand({ AlarmNames: ids })
        const answer = await ask('cloudwatch:DescribeAlarms', () =>
          stack.clients.cloudWatch.send(question, { abortSignal }),
        )
        const judge = ({ MetricAlarms = [] }: { MetricAlarms?: MetricAlarm[] | undefined }) =>
          judgeAlarms(MetricAlarms, { names: ids, topic, region: stack.file.region })
        return judged(answer, judge, { problem: 'they were deleted', remedy: revertRemedy })
      },
    },
  ]
}

async function topicFindings(
  TopicArn: string,
  { clients: { sns } }: Stack,
  abortSignal: AbortSignal,
): Promise<Finding[]> {
  const attributes = await ask('sns:GetTopicAttributes', () =>
    sns.send(new GetTopicAttributesCommand({ TopicArn }), { abortSignal }),
  )
  const gone = {
    problem: `there is no topic ${TopicArn}`,
    remedy:
      'create it (aws sns create-topic), or correct alarmTopicArn in the file of the cluster, and deploy',
  }
  if ('missing' in attributes) return [gone]
  const subscriptions = await ask('sns:ListSubscriptionsByTopic', () =>
    sns.send(new ListSubscriptionsByTopicCommand({ TopicArn }), { abortSignal }),
  )
  return [
    ...judged(attributes, ({ Attributes = {} }) => judgeTopic(Attributes, TopicArn), gone),
    ...judged(
      subscriptions,
      ({ Subscriptions = [] }) =>
        judgeSubscriptions(
          Subscriptions.map(({ SubscriptionArn = '' }) => SubscriptionArn),
          TopicArn,
        ),
      gone,
    ),
  ]
}
