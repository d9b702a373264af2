import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { silentLog } from '../../../../lib/telemetry/log.ts'
import { startHealthServer } from '../../../../local/health/health-server.ts'

test('names a port that another process listens on, and a way out', async () => {
  const other = createServer().listen(0, '127.0.0.1')
  await once(other, 'listening')
  try {
    const { port } = other.address() as AddressInfo
    const options = {
      ...{ port, host: '127.0.0.1', late: () => [] },
      ready: () => Promise.resolve({ ready: true, parts: {} }),
      prometheus: { text: () => Promise.resolve(''), contentType: 'text/plain' },
    }
    await expect(startHealthServer(options, silentLog)).rejects.toThrow(
      `The port ${port} of health and metrics cannot be opened (EADDRINUSE): another process listens on it. ` +
        'Choose another port, or 0 for a free one.',
    )
  } finally {
    other.close()
  }
})
