import type { Check, Finding } from '../../lib/doctor/check.ts'
import { credentialsRemedy, deployRemedy } from './remedies.ts'
import type { Stack, StackResource, StackStatus } from './stack.ts'

export function stackChecks(stack: Stack): Check[] {
  return [
    {
      name: 'account',
      remedy: credentialsRemedy,
      async look(signal) {
        const { account, arn } = await stack.identity(signal)
        return { fine: `${account}, region ${stack.file.region}, as ${arn}` }
      },
    },
    {
      name: 'stack',
      needs: 'account',
      remedy: credentialsRemedy,
      async look(signal) {
        const status = await stack.status(signal)
        if ('missing' in status) return missingFinding(stack)
        // The other questions are about the resources of the stack.
        if ('unknown' in status)
          return {
            problem: status.unknown,
            remedy: 'ask for the rights of docs/deploy-aws.md, "Looking at a stack"',
          }
        const finding = judgeStack(status.answer, await stack.resources(signal), stack)
        // A stack whose update failed may live on as before, so the other checks are made.
        return 'problem' in finding && isUpdated(status.answer)
          ? { note: `${stack.name} is ${status.answer.status}; see the next line` }
          : finding
      },
    },
    {
      name: 'deployment',
      needs: 'stack',
      remedy: credentialsRemedy,
      async look(signal) {
        const status = await stack.status(signal)
        if (!('answer' in status) || !isUpdated(status.answer)) return []
        const finding = judgeStack(status.answer, await stack.resources(signal), stack)
        return 'problem' in finding ? finding : []
      },
    },
  ]
}

const isUpdated = ({ status }: StackStatus) => status.startsWith('UPDATE_')

function missingFinding({ name, stage, file }: Stack): Finding {
  return {
    problem: `there is no stack ${name} in ${file.region} of this account`,
    remedy: `${deployRemedy({ stage })}; or choose the account by AWS_PROFILE`,
  }
}

export function judgeStack(
  { status, reason }: StackStatus,
  resources: readonly StackResource[],
  { name, stage, file }: Pick<Stack, 'name' | 'stage' | 'file'>,
): Finding {
  const place = `--region ${file.region} --stack-name ${name}`
  const deploy = deployRemedy({ stage })
  const because = reason === undefined ? '' : ` (${reason})`
  const broken = resources.filter(each => each.status.endsWith('_FAILED')).map(({ logicalId }) => logicalId)
  const failed = broken.length > 0 ? `, with failed resources: ${broken.join(', ')}` : ''
  if (status === 'ROLLBACK_COMPLETE' || status === 'ROLLBACK_FAILED' || status === 'DELETE_FAILED')
    return {
      problem: `${name} is ${status}${because}, which no deployment can change${failed}`,
      remedy: `npx serverless remove --stage ${stage}, then ${deploy}`,
    }
  if (status === 'UPDATE_ROLLBACK_FAILED')
    return {
      problem: `${name} is ${status}${because}, which no deployment can change${failed}`,
      remedy: `mend what failed, then aws cloudformation continue-update-rollback ${place}, then ${deploy}`,
    }
  if (broken.length > 0) return { problem: `${name} is ${status}${failed}${because}`, remedy: deploy }
  if (status === 'CREATE_COMPLETE' || status === 'UPDATE_COMPLETE')
    return { fine: `${name} is ${status}, with ${resources.length} resources` }
  if (status === 'UPDATE_ROLLBACK_COMPLETE')
    return {
      problem: `the last deployment of ${name} failed and was rolled back${because}`,
      remedy: `see what failed: aws cloudformation describe-stack-events ${place}; then ${deploy}`,
    }
  if (status.endsWith('_IN_PROGRESS')) return { note: `${name} is ${status}; look again when it is done` }
  return { problem: `${name} is ${status}${because}`, remedy: deploy }
}
