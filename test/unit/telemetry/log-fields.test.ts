import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { type Log, silentLog } from '../../../lib/telemetry/log.ts'
import { logFields } from '../../../lib/telemetry/log-fields.ts'
import { redact } from '../../../lib/telemetry/redact.ts'
import { recordedLog } from '../../support/recorded-log.ts'

const root = resolve(import.meta.dirname, '../../..')
const names = Object.keys(logFields)

const code = ['lib', 'functions', 'local']
  .flatMap(folder =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map(file =>
      join(root, folder, file),
    ),
  )
  .filter(file => file.endsWith('.ts') && !file.endsWith('log-fields.ts'))
  .map(file => readFileSync(file, 'utf8'))
  .join('\n')

describe('the fields of the log', () => {
  it('are the only ones that the compiler accepts', () => {
    const log: Log = silentLog
    // @ts-expect-error: the list has no such name.
    log.info('pass ended', { duration: 3 })
    log.info('pass ended', { milliseconds: 3 })
  })

  it('are the only ones that a log of a test accepts, also in an object that is spread', () => {
    const { log } = recordedLog()
    const spread = { password: 'x' } as object
    expect(() => log.info('pass ended', { ...spread })).toThrow(
      "'pass ended' has fields that no list knows: password",
    )
  })

  it('are written as they are: none is masked or dropped for its name', () => {
    const written = redact(Object.fromEntries(names.map(name => [name, 'seen'])))
    expect(names.filter(name => written[name] !== 'seen')).toEqual([])
  })

  it('are all used', () => {
    const unused = names.filter(name => !new RegExp(`\\b${name}\\b`).test(code))
    expect(unused).toEqual([])
  })
})
