import { execFile } from 'node:child_process'
import { resolve } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { once } from '../../../lib/middleware/start-up.ts'

const never = new AbortController().signal

/** Runs `configured` in a process of its own, since it writes to the process's streams and may end the process. */
async function startUp(
  env: Record<string, string>,
): Promise<{ code: number; stdout: string; stderr: string }> {
  const path = (file: string) => JSON.stringify(resolve(import.meta.dirname, '../../../lib', file))
  const script = `
    import { operatorSection } from ${path('config/operator.ts')}
    import { configured } from ${path('middleware/start-up.ts')}
    configured({ service: 'timer', environment: process.env, sections: { operator: operatorSection } })`
  const node = promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], { env })
  return node.then(
    streams => ({ code: 0, ...streams }),
    ({ code, stdout, stderr }) => ({ code, stdout, stderr }),
  )
}

describe('configured', () => {
  it('writes nothing when every variable can be read', async () => {
    expect(await startUp({ OPERATOR_NAMESPACE: 'ctf' })).toEqual({ code: 0, stdout: '', stderr: '' })
  })

  it('ends the process with all problems and exit code 78', async () => {
    const { code, stderr } = await startUp({
      OPERATOR_INTERVAL: 'x',
      OPERATOR_LOG_LEVEL: 'y',
      OPERATOR_MAX_INSTANCES: '0',
    })
    expect(code).toBe(78)
    for (const name of ['OPERATOR_INTERVAL', 'OPERATOR_LOG_LEVEL', 'OPERATOR_MAX_INSTANCES'])
      expect(stderr).toContain(name)
  })
})

describe('once', () => {
  it('runs a check once, also for callers at the same time', async () => {
    let checks = 0
    const ready = once(async () => checks++)
    await Promise.all([ready(never), ready(never)])
    await ready(never)
    expect(checks).toBe(1)
  })

  it('runs a failed check again', async () => {
    let checks = 0
    const ready = once(async () => {
      if (checks++ === 0) throw new Error('away')
    })
    await expect(ready(never)).rejects.toThrow('away')
    await expect(ready(never)).resolves.toBeUndefined()
    expect(checks).toBe(2)
  })
})
