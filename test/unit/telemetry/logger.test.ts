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
    import { runInScope } from ${module('scope.ts')}
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

  it('adds the fields of the pass to every line that is written during it', async () => {
    const lines = await linesOf(`
      const pass = (name, pass) => runInScope({ fields: { name, pass }, calls: 0 }, async () => {
        await new Promise(resolve => setTimeout(resolve, 5))
        log.info('row not read', { uid: 'u' })
      })
      await Promise.all([pass('a', '1'), pass('b', '2')])
      log.info('outside')`)
    expect(lines).toMatchObject([
      { message: 'row not read', name: 'a', pass: '1', uid: 'u' },
      { message: 'row not read', name: 'b', pass: '2', uid: 'u' },
      { message: 'outside' },
    ])
    expect(lines[2]).not.toHaveProperty('pass')
  })
})
