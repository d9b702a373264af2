import { InvokeCommand } from '@aws-sdk/client-lambda'
import { parseOperatorConfig } from '../../lib/config/operator.ts'
import { placesElsewhere } from '../../lib/config/placement.ts'
import { type DeployedFunction, deployedFunctions } from '../../lib/config/reference.ts'
import { OperatorMisconfigured } from '../../lib/config/section.ts'
import type { Check, Finding } from '../../lib/doctor/check.ts'
import {
  type ExaminationAnswer,
  type ExaminationRequest,
  examinationSource,
  type ResourceAttributes,
} from '../../lib/doctor/examination.ts'
import { functionsWithRights } from '../../lib/kubernetes/install/accounts.ts'
import { rightsNeeded } from '../../lib/kubernetes/install/rights.ts'
import { newestMigration } from '../../lib/store/migrations.ts'
import { version } from '../../lib/version.ts'
import { ask, judged, named } from './ask.ts'
import { variablesOf } from './function-checks.ts'
import { credentialsRemedy, deployRemedy, revertRemedy } from './remedies.ts'
import type { Stack } from './stack.ts'

/** Milliseconds. A function answers within 20 s, and may have to start. */
const limitMs = 45_000

/** Asks each function what it reaches, with its own role and from its own network. */
export function examinationChecks(stack: Stack): Check[] {
  return deployedFunctions.map(name => ({
    name,
    needs: 'stack',
    remedy: credentialsRemedy,
    limitMs,
    look: signal => examinedFindings(name, stack, signal),
  }))
}

async function examinedFindings(
  name: DeployedFunction,
  stack: Stack,
  abortSignal: AbortSignal,
): Promise<Finding[]> {
  const request: ExaminationRequest = {
    source: examinationSource,
    rights: await rightsOf(name, stack, abortSignal),
    newestMigration,
  }
  const question = new InvokeCommand({
    FunctionName: stack.functionName(name),
    Payload: JSON.stringify(request),
  })
  const answer = await ask('lambda:InvokeFunction', () =>
    stack.clients.lambda.send(question, { abortSignal }),
  )
  return judged(
    answer,
    ({ FunctionError, Payload }) =>
      judgeExamination({ FunctionError, text: Payload?.transformToString() ?? '' }, stack),
    { problem: 'it does not exist', remedy: revertRemedy },
  )
}

/** Returns the rights in the cluster that a function needs with its configuration; none if that cannot be read. */
async function rightsOf(
  name: DeployedFunction,
  stack: Stack,
  signal: AbortSignal,
): Promise<ResourceAttributes[]> {
  if (!functionsWithRights.some(each => each === name)) return []
  const variables = (await variablesOf(stack, signal))[name]
  try {
    const { namespaces, placement } = parseOperatorConfig(variables)
    return await rightsNeeded({ namespaces, everywhere: placesElsewhere(placement), functionName: name })
  } catch (thrown) {
    // The check of the configuration tells of it.
    if (thrown instanceof OperatorMisconfigured) return []
    throw thrown
  }
}

/** Judges what an invocation answered. */
export function judgeExamination(
  { FunctionError, text }: { FunctionError: string | undefined; text: string },
  { stage }: Pick<Stack, 'stage'>,
): Finding[] {
  const answer = parsed(text)
  if (FunctionError !== undefined) {
    const why = String(answer?.errorMessage ?? FunctionError)
    return [{ problem: `it fails: ${why}`, remedy: failureRemedy(why, stage) }]
  }
  const { lines, version: running } = (answer ?? {}) as Partial<ExaminationAnswer>
  if (!Array.isArray(lines))
    return [
      {
        problem: 'it does not know what doctor asks, so it is of another release',
        remedy: deployRemedy({ stage }),
      },
    ]
  const findings = lines.flatMap(({ part, finding }) => named(part, [finding]))
  if (running !== version)
    findings.unshift({
      note: `version ${running}, and this is ${version}; deploy, or look with that version`,
    })
  return findings.length > 0 ? findings : [{ fine: 'it answers' }]
}

function failureRemedy(why: string, stage: string): string {
  if (/exit status 78/.test(why)) return 'see the lines of the configuration'
  if (/timed out/i.test(why)) return 'look at its network: docs/deploy-aws.md, "Private subnets"'
  return `look at its log: npx serverless logs -f <function> --stage ${stage}`
}

function parsed(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}
