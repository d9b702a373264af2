import { execFile } from 'node:child_process'
import { resolve } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'

/** Runs a script in another process and returns its lines, since the logger writes to the streams of its process. */
async function linesOf(script: string): Promise<Array<Record<string, unknown>>> {
  const module = (name: string) =>
    JSON.stringify(resolve(import.meta.dirname, '../../../lib/telemetry', name))
  const source = `
    import { openLogger } from ${module('logger.ts')}
    const log = openLogger({ level: 'info', service: 'reconcile' })
    ${script}`
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [
    '--input-type=module',
    '-e',
    source,
  ])
  const lines = `${stdout}${stderr}`.split('\n').filter(line => line.startsWith('{'))
  return lines.map(line => JSON.parse(line))
}

describe('openLogger', () => {
  it('writes JSON with level, function, message and fields, from its level on', async () => {
    const lines = await linesOf(`
      log.debug('not written')
      log.info('pass ended', { name: 'a', flag: 'flag{x}', level: 'mine' })
      log.child({ service: 'timer', cluster: 'ctf' }).error('late')`)
    expect(lines).toMatchObject([
      {
        level: 'INFO',
        service: 'reconcile',
        message: 'pass ended',
        name: 'a',
        flag: '[redacted]',
        level_: 'mine',
      },
      { level: 'ERROR', service: 'timer', message: 'late', cluster: 'ctf' },
    ])
  })
})
