import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'
import { afterAll, describe, expect, it } from 'vitest'
import { openClients } from '../../../../deploy/doctor/clients.ts'
import { secretsCheck } from '../../../../deploy/doctor/secret-checks.ts'
import type { Stack } from '../../../../deploy/doctor/stack.ts'
import { parseClusterFile } from '../../../../deploy/plugin/cluster-file.ts'
import { sampleClusterFile } from '../../../support/cluster-files.ts'

/** Answers as SSM may: first a page without a parameter, then the rest. */
const server = createServer(async (request, response) => {
  const { NextToken } = (await json(request)) as { NextToken?: string }
  const parameter = { Name: '/ctf/pepper', Type: 'SecureString', KeyId: 'alias/aws/ssm' }
  const answer = NextToken === undefined ? { Parameters: [], NextToken: 'more' } : { Parameters: [parameter] }
  response.writeHead(200, { 'content-type': 'application/x-amz-json-1.1' }).end(JSON.stringify(answer))
})
afterAll(() => {
  server.close()
  server.closeAllConnections()
})

describe('secretsCheck', () => {
  it('finds a parameter that is not in the first page', async () => {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const arn = 'arn:aws:ssm:eu-central-1:123456789012:parameter/ctf/pepper'
    const text = sampleClusterFile({ more: `secrets: { flagHmacPepper: ${arn} }\n` })
    const file = parseClusterFile(text, { file: 'deploy.ctf.yml', stage: 'ctf' })
    const clients = openClients({
      region: 'eu-central-1',
      endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
    })
    const stack = { file, clients, stage: 'ctf' } as unknown as Stack
    expect(await secretsCheck(stack).look(AbortSignal.timeout(5_000))).toContainEqual({
      fine: 'flagHmacPepper: it is there',
    })
  })
})
