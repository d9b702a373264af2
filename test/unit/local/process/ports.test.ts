import { execFile } from 'node:child_process'
import { connect, createServer } from 'node:net'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { freePort, reserve, samePortOrFree } from '../../../../local/process/ports.ts'

const run = promisify(execFile)
const never = new AbortController().signal
const module = new URL('../../../../local/process/ports.ts', import.meta.url).href

describe('a port that was chosen and has no server yet', () => {
  test('is refused to another call', async () => {
    expect(await reserve(await freePort())).toBe(false)
  })

  test('is refused to another process', async () => {
    const port = await freePort()
    const script = `import { reserve } from '${module}'; console.log(await reserve(${port}))`
    const { stdout } = await run(process.execPath, ['--input-type=module', '--eval', script])
    expect(stdout).toBe('false\n')
  })

  test('takes the connections of its server', async () => {
    const port = await freePort()
    const server = createServer(socket => socket.end()).listen(port, '127.0.0.1')
    await new Promise(resolve => connect(port, '127.0.0.1').resume().once('close', resolve))
    server.close()
  })

  test('is taken again by the run that follows in the same folder', async () => {
    const port = await freePort()
    expect(await samePortOrFree(port, 0, never)).toBe(port)
  })
})

test('a process ends although it has reserved a port', async () => {
  const script = `import { freePort } from '${module}'; console.log(await freePort())`
  const { stdout } = await run(process.execPath, ['--input-type=module', '--eval', script], {
    timeout: 50_000,
  })
  expect(Number(stdout)).toBeGreaterThanOrEqual(20_000)
})
