import { localCredentials, localRegion } from '../../local/parts/queues.ts'
import { bareEnvironment } from './command.ts'
import { testDatabase, testQueues } from './shared-parts.ts'

export interface ExternalEnvironment {
  /** The environment of a user who has every part already. */
  env: Record<string, string | undefined>
  database: Awaited<ReturnType<typeof testDatabase>>
}

/** Makes an empty database and queues for a user of this cluster. */
export async function externalEnvironment(kubeconfig: string): Promise<ExternalEnvironment> {
  const [database, queues] = await Promise.all([testDatabase(), testQueues()])
  const { changesUrl, timersUrl, sweepsUrl, deadLettersUrl, clientOptions } = queues
  const env = {
    ...bareEnvironment(),
    KUBECONFIG: kubeconfig,
    DATABASE_URL: database.url,
    AWS_ENDPOINT_URL_SQS: String(clientOptions.endpoint),
    CHANGES_QUEUE_URL: changesUrl,
    TIMERS_QUEUE_URL: timersUrl,
    SWEEPS_QUEUE_URL: sweepsUrl,
    DEAD_LETTERS_QUEUE_URL: deadLettersUrl,
    AWS_REGION: localRegion,
    AWS_ACCESS_KEY_ID: localCredentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: localCredentials.secretAccessKey,
  }
  return { env, database }
}
