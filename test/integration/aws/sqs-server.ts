import type { FauxqsServer } from 'fauxqs'
import { startFauxqs } from 'fauxqs'

export const region = 'eu-central-1'

/** Starts a queue server with the operator's queues. Each test chooses the visibility timeout. */
export async function startQueues(visibilitySeconds = 30) {
  const server: FauxqsServer = await startFauxqs({ port: 0, logger: false, defaultRegion: region })
  const endpoint = `http://127.0.0.1:${server.port}`
  const fifo = {
    FifoQueue: 'true',
    DeduplicationScope: 'messageGroup',
    FifoThroughputLimit: 'perMessageGroupId',
  }
  const dead = server.createQueue('dead-letters.fifo', { region, attributes: fifo })
  const redrive = JSON.stringify({ deadLetterTargetArn: dead.queueArn, maxReceiveCount: 3 })
  const VisibilityTimeout = String(visibilitySeconds)
  const changes = server.createQueue('changes.fifo', {
    region,
    attributes: { ...fifo, VisibilityTimeout, RedrivePolicy: redrive },
  })
  const timers = server.createQueue('timers', { region, attributes: { VisibilityTimeout } })
  const clientOptions = {
    region,
    endpoint,
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
    maxAttempts: 1,
  }
  const onHost = (url: string) => `${endpoint}${new URL(url).pathname}`
  return {
    server,
    clientOptions,
    urls: {
      changesUrl: onHost(changes.queueUrl),
      deadLettersUrl: onHost(dead.queueUrl),
      timersUrl: onHost(timers.queueUrl),
    },
  }
}
