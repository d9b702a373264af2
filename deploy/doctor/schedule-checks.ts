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
  const invoked = deployedFunctions.filter(name => functions[name].hasSchedule || functions[name].hasPattern)
  const findings = invoked.map(async name => {
    const FunctionName = stack.functionName(name)
    const answer = await ask('lambda:GetPolicy', () =>
      stack.clients.lambda.send(new GetPolicyCommand({ FunctionName }), { abortSignal: signal }),
    )
    const policy = 'answer' in answer ? (answer.answer.Policy ?? '') : 'missing' in answer ? '' : undefined
    const { hasSchedule, hasPattern } = functions[name]
    const facts = { functionName: FunctionName, policy }
    return named(name, [
      ...(hasSchedule ? [judgeRule(rules, { ...facts, kind: 'schedule' })] : []),
      ...(hasPattern ? [judgeRule(rules, { ...facts, kind: 'pattern' })] : []),
    ])
  })
  return (await Promise.all(findings)).flat()
}

async function readRule(
  id: string,
  stack: Stack,
  abortSignal: AbortSignal,
): Promise<FoundRule | { unknown: string } | { gone: true }> {
  const { events } = stack.clients
  const Name = id.slice(id.lastIndexOf('|') + 1)
  // A schedule is a rule of the default bus, and a pattern one of the stack's. The id does not tell in every case.
  for (const EventBusName of ['default', stack.bus]) {
    const rule = await ask('events:DescribeRule', () =>
      events.send(new DescribeRuleCommand({ Name, EventBusName }), { abortSignal }),
    )
    if ('unknown' in rule) return rule
    if ('missing' in rule) continue
    const targets = await ask('events:ListTargetsByRule', () =>
      events.send(new ListTargetsByRuleCommand({ Rule: Name, EventBusName }), { abortSignal }),
    )
    if ('unknown' in targets) return targets
    const arns = 'answer' in targets ? (targets.answer.Targets ?? []).flatMap(({ Arn }) => Arn ?? []) : []
    return { state: rule.answer.State, schedule: rule.answer.ScheduleExpression, targets: arns }
  }
  return { gone: true }
}

/** @param policy the policy of the function; empty: it has none; undefined: it is not known */
export function judgeRule(
  rules: readonly FoundRule[],
  {
    functionName,
    policy,
    kind,
  }: { functionName: string; policy: string | undefined; kind: 'schedule' | 'pattern' },
): Finding {
  const rule = rules.find(
    ({ targets, schedule }) =>
      Boolean(schedule) === (kind === 'schedule') && targets.some(arn => arn.split(':')[6] === functionName),
  )
  const what = kind === 'schedule' ? 'schedule' : 'rule of the event bus'
  if (rule === undefined) return { problem: `no ${what} invokes it`, remedy: revertRemedy }
  if (rule.state !== 'ENABLED')
    return {
      problem: `its ${what} is ${rule.state}`,
      remedy: `${revertRemedy}; or aws events enable-rule`,
    }
  if (policy !== undefined && !letsSchedulesInvoke(policy))
    return { problem: 'its policy does not let EventBridge invoke it', remedy: revertRemedy }
  return { fine: kind === 'schedule' ? `invoked by ${rule.schedule}` : 'invoked by events of the bus' }
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
