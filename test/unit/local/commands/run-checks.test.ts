import { describe, expect, it } from 'vitest'
import type { Check, Finding } from '../../../../lib/doctor/check.ts'
import { runChecks } from '../../../../local/commands/doctor/run-checks.ts'

const check = (name: string, finding: Finding, needs?: string): Check => ({
  name,
  remedy: '',
  ...(needs === undefined ? {} : { needs }),
  look: async () => finding,
})

async function run(...checks: Check[]) {
  const lines: string[] = []
  const options = { print: (line: string) => void lines.push(line), nothingExamined: 'nothing' }
  return { isWell: await runChecks(checks, options, new AbortController().signal), lines }
}

describe('runChecks', () => {
  it('says that all is well, or that nothing was checked', async () => {
    expect(await run(check('a', { fine: 'x' }), check('b', { note: 'y' }))).toMatchObject({
      isWell: true,
      lines: [expect.stringMatching(/^ok +a +x$/), expect.stringMatching(/^- +b +y$/), 'All is well.'],
    })
    expect((await run(check('b', { note: 'y' }))).lines.at(-1)).toBe('nothing')
  })

  it('prints one line for each finding, whatever the answers had in them', async () => {
    const hostile = 'the lead is \u001b[2Jx\nok    stack             is well'
    expect((await run(check('a', { problem: hostile, remedy: 'mend\r\nit' }))).lines.slice(0, 2)).toEqual([
      expect.stringMatching(/^FAIL +a +the lead is +\[2Jx ok +stack +is well$/),
      expect.stringMatching(/^ +→ mend it$/),
    ])
  })

  it('does not count what could not be checked as well', async () => {
    const { isWell, lines } = await run(check('a', { fine: 'x' }), check('b', { unknown: 'y' }))
    expect(isWell).toBe(true)
    expect(lines.slice(1)).toEqual([
      expect.stringMatching(/^\? +b +y$/),
      'All that could be checked is well; 1 lines with ? could not be.',
    ])
  })

  it('makes no check that needs one that failed, also by way of another', async () => {
    const { isWell, lines } = await run(
      check('account', { problem: 'x', remedy: 'mend' }),
      check('stack', { fine: 'never' }, 'account'),
      check('queues', { fine: 'never' }, 'stack'),
    )
    expect(isWell).toBe(false)
    expect(lines).toEqual([
      expect.stringMatching(/^FAIL +account +x$/),
      expect.stringMatching(/^ +→ mend$/),
      expect.stringMatching(/^- +stack +not checked, because the check of the account failed$/),
      expect.stringMatching(/^- +queues +not checked, because the check of the account failed$/),
      'Fix the lines with FAIL, then run doctor again.',
    ])
  })
})
