import { execFile } from 'node:child_process'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { findGoProgram, goPrograms } from '../../support/go-program.ts'

const root = resolve(import.meta.dirname, '../../..')
let promtool: Awaited<ReturnType<typeof findGoProgram>>

beforeAll(async () => {
  promtool = await findGoProgram(goPrograms.promtool)
}, 300_000)
beforeEach(context => {
  if ('missing' in promtool) context.skip(promtool.missing)
})

async function run(...args: string[]): Promise<string> {
  const path = 'path' in promtool ? promtool.path : ''
  const { stdout } = await promisify(execFile)(path, args, { cwd: root, timeout: 60_000 })
  return stdout
}

describe('manifests/monitoring/rules.yml', () => {
  it('is accepted by Prometheus', async () => {
    expect(await run('check', 'rules', '--lint-fatal', 'manifests/monitoring/rules.yml')).toContain(
      'SUCCESS: 9 rules',
    )
  })

  it('rings when something is wrong, and only then', async () => {
    const tests = join(import.meta.dirname, 'alert-rules.test.yml')
    expect(await run('test', 'rules', tests)).toContain('SUCCESS')
  })
})
