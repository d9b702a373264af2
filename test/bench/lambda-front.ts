import { once } from 'node:events'
import { Agent, createServer, request } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { ControlPlane } from '../../local/control-plane/start.ts'
import { makeAuthority } from '../support/certificates.ts'
import type { BenchCluster } from './bench-cluster.ts'

/** The variables of a bundled function that runs beside a bench's parts, without those of its cluster. */
export function functionEnvironment({ addresses }: BenchCluster): Record<string, string> {
  const { queues, bus, sqs } = addresses
  const endpoint = String(sqs.endpoint)
  // The SDK of a function calls the host of the URL, and the name of this machine's queue server may be unknown to its resolver.
  const at = (url = '') => new URL(new URL(url).pathname, endpoint).href
  return {
    PATH: process.env.PATH ?? '',
    AWS_REGION: 'eu-central-1',
    AWS_ACCESS_KEY_ID: 'bench',
    AWS_SECRET_ACCESS_KEY: 'bench',
    AWS_ENDPOINT_URL_SQS: endpoint,
    AWS_ENDPOINT_URL_EVENTBRIDGE: String(bus?.clientOptions.endpoint),
    EVENT_BUS_NAME: bus?.name ?? '',
    CHANGES_QUEUE_URL: at(queues.changesUrl),
    TIMERS_QUEUE_URL: at(queues.timersUrl),
    DEAD_LETTERS_QUEUE_URL: at(queues.deadLettersUrl),
    SWEEPS_QUEUE_URL: at(queues.sweepsUrl),
  }
}

/** Stands for the endpoint of EKS: an API server whose callers have tokens that EKS would check. */
export async function startFront({ server, token, caData }: ControlPlane) {
  const authority = makeAuthority()
  const { certificate: cert, key } = authority.issue(['127.0.0.1'])
  const agent = new Agent({ ca: Buffer.from(caData, 'base64'), keepAlive: true })
  const front = createServer({ cert, key }, (incoming, outgoing) => {
    const { method, url = '/' } = incoming
    const headers = { ...incoming.headers, authorization: `Bearer ${token}` }
    const passed = request(server + url, { method, headers, agent }, answer => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
      // The headers of a watch come before its first event.
      outgoing.flushHeaders()
      answer.pipe(outgoing)
      outgoing.on('close', () => answer.destroy())
    })
    passed.on('error', () => outgoing.destroy())
    incoming.pipe(passed)
  })
  front.listen(0, '127.0.0.1')
  await once(front, 'listening')
  const { port } = front.address() as AddressInfo
  return {
    variables: {
      EKS_CLUSTER_NAME: 'bench',
      EKS_CLUSTER_ENDPOINT: `https://127.0.0.1:${port}`,
      EKS_CLUSTER_CA: Buffer.from(authority.certificate).toString('base64'),
    },
    async stop() {
      front.closeAllConnections()
      front.close()
      agent.destroy()
    },
  }
}
