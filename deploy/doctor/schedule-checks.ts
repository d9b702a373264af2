import {
  DescribeEventBusCommand,
  DescribeRuleCommand,
  ListTargetsByRuleCommand,
} from '@aws-sdk/client-eventbridge'
import { GetPolicyCommand } from '@aws-sdk/client-lambda'
import { deployedFunctions } from '../../lib/config/reference.ts'
import type { Check, Finding } from '../../lib/doctor/check.ts'
import { ask, judged, named } from './ask.ts'
import type { Expected } from './expected.ts'
import { objectIn } from './queue-judgement.ts'
import { credentialsRemedy, revertRemedy } from './remedies.ts'
import type { Stack } from './stack.ts'

/** Whether the event bus is there, and whether the schedules invoke their functions. */
export function scheduleChecks(stack: Stack, expected: Expected): Check[] {
  return [
    {
      name: 'schedules',
      needs: 'stack',
      remedy: credentialsRemedy,
      look: signal => scheduleFindings(stack, expected, signal),
    },
    {
      name: 'event bus',
      needs: 'stack',
      remedy: credentialsRemedy,
      async look(abortSignal) {
        const question = new DescribeEventBusCommand({ Name: stack.bus })
        const answer = await ask('events:DescribeEventBus', () =>
          stack.clients.events.send(question, { abortSignal }),
        )
        const gone = { problem: 'it was deleted', remedy: revertRemedy }
        return named(
          stack.bus,
          judged(answer, () => ({ fine: 'it is there' }), gone),
        )
      },
    },
  ]
}

/** A rule as EventBridge describes it. */
export interface FoundRule {
  state: string | undefined
  schedule: string | undefined
  targets: string[]
}

async function scheduleFindings(
  stack: Stack,
  { functions }: Expected,
  signal: AbortSignal,
): Promise<Finding[]> {
  const ids = await stack.idsOf('AWS::Events::Rule', signal)
  const found = await Promise.all(ids.map(id => readRule(id, stack, signal)))
  const unknown = found.find(each => 'unknown' in each)
  if (unknown !== undefined) return [unknown]
  const rules = found.filter(each => 'targets' in each)
  const scheduled = deployedFunctions.filter(name => functions[name].hasSchedule)
  const findings = scheduled.map(async name => {
    const FunctionName = stack.functionName(name)
    const answer = await ask('lambda:GetPolicy', () =>
      stack.clients.lambda.send(new GetPolicyCommand({ FunctionName }), { abortSignal: signal }),
    )
    const policy = 'answer' in answer ? (answer.answer.Policy ?? '') : 'missing' in answer ? '' : undefined
    return named(name, [judgeSchedule(rules, { functionName: FunctionName, policy })])
  })
  return (await Promise.all(findings)).flat()
}

async function readRule(
  id: string,
  { clients: { events } }: Stack,
  abortSignal: AbortSignal,
): Promise<FoundRule | { unknown: string } | { gone: true }> {
  // The id of a rule of the default bus is its name, on other buses with the bus before it.
  const Name = id.slice(id.lastIndexOf('|') + 1)
  const rule = await ask('events:DescribeRule', () =>
    events.send(new DescribeRuleCommand({ Name }), { abortSignal }),
  )
  if ('unknown' in rule) return rule
  if ('missing' in rule) return { gone: true }
  const targets = await ask('events:ListTargetsByRule', () =>
    events.send(new ListTargetsByRuleCommand({ Rule: Name }), { abortSignal }),
  )
  if ('unknown' in targets) return targets
  const arns = 'answer' in targets ? (targets.answer.Targets ?? []).flatMap(({ Arn }) => Arn ?? []) : []
  return { state: rule.answer.State, schedule: rule.answer.ScheduleExpression, targets: arns }
}

/** @param policy the policy of the function; empty: it has none; undefined: it is not known */
export function judgeSchedule(
  rules: readonly FoundRule[],
  { functionName, policy }: { functionName: string; policy: string | undefined },
): Finding {
  const rule = rules.find(({ targets }) => targets.some(arn => arn.split(':')[6] === functionName))
  if (rule === undefined) return { problem: 'no schedule invokes it', remedy: revertRemedy }
  if (rule.state !== 'ENABLED')
    return {
      problem: `its schedule ${rule.schedule} is ${rule.state}`,
      remedy: `${revertRemedy}; or aws events enable-rule`,
    }
  if (policy !== undefined && !letsSchedulesInvoke(policy))
    return { problem: 'its policy does not let EventBridge invoke it', remedy: revertRemedy }
  return { fine: `invoked by ${rule.schedule}` }
}

function letsSchedulesInvoke(policy: string): boolean {
  const statements = [objectIn(policy)?.Statement ?? []].flat() as {
    Effect?: string
    Principal?: { Service?: string | string[] }
  }[]
  return statements.some(
    ({ Effect, Principal }) =>
      Effect === 'Allow' && [Principal?.Service ?? []].flat().includes('events.amazonaws.com'),
  )
}
