import { startEventBus } from '../../local/parts/event-bus.ts'
import { localCredentials, localRegion, startQueues } from '../../local/parts/queues.ts'
import { serve } from './child-side.ts'

/** A process with the SQS and EventBridge servers, so that their processor time is not the operator's. */
const queues = await startQueues({}, new AbortController().signal)
const bus = await startEventBus({})

const { changesUrl, timersUrl, sweepsUrl, deadLettersUrl, clientOptions } = queues
const addresses = {
  queues: { changesUrl, timersUrl, sweepsUrl, deadLettersUrl },
  sqs: clientOptions,
  bus: {
    name: 'bench',
    clientOptions: { endpoint: bus.endpoint, region: localRegion, credentials: localCredentials },
  },
}
serve({ addresses: () => addresses }, () => Promise.all([queues.stop(), bus.stop()]))
