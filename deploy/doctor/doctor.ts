import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Check } from '../../lib/doctor/check.ts'
import { parseClusterFile } from '../plugin/cluster-file.ts'
import { alarmChecks } from './alarm-checks.ts'
import { type ClientOptions, openClients } from './clients.ts'
import { clusterChecks } from './cluster-checks.ts'
import { examinationChecks } from './examination-checks.ts'
import { readExpected } from './expected.ts'
import { functionChecks } from './function-checks.ts'
import { queueChecks } from './queue-checks.ts'
import { rightsCheck } from './right-checks.ts'
import { scheduleChecks } from './schedule-checks.ts'
import { secretsCheck } from './secret-checks.ts'
import { openStack } from './stack.ts'
import { stackChecks } from './stack-checks.ts'

export interface ExaminedStage {
  /** The cluster, as in `serverless deploy --stage <cluster>`. */
  stage: string
  /** The folder with `deploy.<cluster>.yml`. */
  directory: string
  clientOptions?: ClientOptions
}

/**
 * Returns the checks of a deployed stack: first what AWS says of it, then what each function says that it reaches. Nothing is
 * written.
 * @throws Error if the file of the cluster is missing, or cannot be used
 */
export async function checksOfStage({
  stage,
  directory,
  clientOptions = {},
}: ExaminedStage): Promise<Check[]> {
  const file = await readClusterFile(stage, directory)
  const expected = await readExpected()
  const stack = openStack({ stage, file, clients: openClients({ ...clientOptions, region: file.region }) })
  return [
    ...stackChecks(stack),
    ...functionChecks(stack),
    ...queueChecks(stack, expected),
    ...scheduleChecks(stack, expected),
    ...alarmChecks(stack),
    secretsCheck(stack),
    ...clusterChecks(stack),
    rightsCheck(stack, expected),
    ...examinationChecks(stack),
  ]
}

async function readClusterFile(stage: string, directory: string) {
  const file = `deploy.${stage}.yml`
  const text = await readFile(join(directory, file), 'utf8').catch((thrown: NodeJS.ErrnoException) => {
    if (thrown.code !== 'ENOENT') throw thrown
    throw new Error(
      `There is no ${file} in ${directory}. Name the cluster as in serverless deploy --stage <cluster>.`,
    )
  })
  return parseClusterFile(text, { file, stage })
}
