import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { creditLimit, parseClock } from '../../../lib/clock/parse.ts'
import { clockData } from '../../../lib/clock/serialise.ts'
import { type ClockState, type Credit, openClock, stateAfter } from '../../../lib/clock/state.ts'

const now = Date.parse('2026-11-29T20:00:00Z')
const at = '2026-11-29T19:00:00Z'

const parsed = (data: Record<string, string>) => parseClock({ data }, now)
const credits = (text: string) => parsed({ credits: text })

function problemsOf(data: Record<string, string>): string[] {
  const result = parsed(data)
  return 'problems' in result ? result.problems : []
}

describe('parseClock', () => {
  it('reads a ConfigMap as a person writes it', () => {
    const text = `
      - {id: 001, minutes: 20, at: ${at}}
      # The proxy died.
      - id: proxy
        minutes: -5
        at: "2026-11-29T20:00:00+01:00"
        event: 3
        template: web-basics
        team: 0
    `
    expect(parsed({ paused: 'true\n', lockdown: 'false', credits: text })).toEqual({
      order: {
        paused: true,
        lockdown: false,
        credits: [
          { id: '001', minutes: 20, at: Date.parse(at) },
          { id: 'proxy', minutes: -5, at: Date.parse(at), event: 3, template: 'web-basics', team: 0 },
        ],
      },
    })
  })

  it('takes absent keys for an open clock whose credits stay', () => {
    const before = { ...openClock, paused: true, credits: [{ id: 'a', minutes: 1, at: 0 }] }
    const result = parseClock({}, now)
    expect(result).toEqual({ order: { paused: false, lockdown: false, credits: undefined } })
    expect('order' in result && stateAfter(result.order, before)).toEqual({ ...before, paused: false })
  })

  it('takes credits away by an explicit empty list only', () => {
    expect(credits('[]')).toEqual({ order: { paused: false, lockdown: false, credits: [] } })
    for (const empty of ['', '\n', '# none', 'null'])
      expect(problemsOf({ credits: empty }).join(), empty).toMatch(/is empty; write \[\]/)
  })

  it('counts the same credit once, however it is written', () => {
    const twice = `[{id: a, minutes: 5, at: ${at}}, {minutes: 5, at: "2026-11-29T20:00:00+01:00", id: "a"}]`
    expect(credits(twice)).toMatchObject({ order: { credits: [{ id: 'a', minutes: 5 }] } })
  })

  it('takes a selector that fits nobody', () => {
    expect(credits(`[{id: a, minutes: 5, at: ${at}, template: nobody, team: 999}]`)).toHaveProperty('order')
  })

  it.each<[what: string, data: Record<string, string>, problem: RegExp]>([
    [
      'a word that is not true or false',
      { paused: 'yes' },
      /^data\.paused is "yes"; write "true" or "false"/,
    ],
    ['an empty word', { lockdown: '' }, /^data\.lockdown is ""/],
    ['a key that is misspelt', { lockdwon: 'true' }, /^data\."lockdwon" is not known; write data\.paused, /],
    ['a list that is none', { credits: 'minutes: 5' }, /is no list/],
    ['a text', { credits: 'twenty minutes for all' }, /is no list/],
    ['an item that is none', { credits: '- 20' }, /^data\.credits\[0\] is no credit/],
    ['what is no YAML', { credits: '- {id: a' }, /is no YAML: .* \(line 1\)/],
    ['two documents', { credits: '[]\n---\n[]' }, /is no YAML/],
    ['a tag', { credits: '!!js/function x' }, /is no YAML/],
    ['an unknown field', { credits: `[{id: a, minute: 5, at: ${at}}]` }, /the field "minute"/],
    ['a field of the prototype', { credits: `[{__proto__: {minutes: 5}, id: a, at: ${at}}]` }, /"__proto__"/],
    ['a merge key', { credits: `- <<: {id: a}\n  minutes: 5\n  at: ${at}` }, /the field "<<"/],
    ['a credit without an id', { credits: `[{minutes: 5, at: ${at}}]` }, /\[0\]\.id is missing/],
    ['an id of other characters', { credits: `[{id: "a b", minutes: 5, at: ${at}}]` }, /\.id is "a b"/],
    ['an id that is a list', { credits: `[{id: [a], minutes: 5, at: ${at}}]` }, /\.id is no plain value/],
    [
      'a template that is null',
      { credits: `[{id: a, minutes: 5, at: ${at}, template: }]` },
      /\.template is ""/,
    ],
    ['an event that is null', { credits: `[{id: a, minutes: 5, at: ${at}, event: }]` }, /\.event is ""/],
    ['a credit without minutes', { credits: `[{id: a, at: ${at}}]` }, /\.minutes is missing/],
    ['a fraction', { credits: `[{id: a, minutes: 1.5, at: ${at}}]` }, /\.minutes is "1.5"/],
    ['a text for minutes', { credits: `[{id: a, minutes: "20", at: ${at}, team: x}]` }, /\.team is "x"/],
    ['huge minutes', { credits: `[{id: a, minutes: 1e99, at: ${at}}]` }, /\.minutes is "1e99"; .* to 43200/],
    ['minutes that are no number', { credits: `[{id: a, minutes: .inf, at: ${at}}]` }, /\.minutes is ".inf"/],
    ['no date', { credits: '[{id: a, minutes: 5}]' }, /\.at is missing/],
    [
      'a garbage date',
      { credits: '[{id: a, minutes: 5, at: yesterday}]' },
      /\.at is "yesterday"; write an RFC/,
    ],
    ['a day that does not exist', { credits: '[{id: a, minutes: 5, at: 2026-02-30T00:00:00Z}]' }, /\.at is /],
    ['the future', { credits: '[{id: a, minutes: 5, at: 2026-11-29T20:00:06Z}]' }, /lies in the future/],
    [
      'an id with two meanings',
      { credits: `[{id: a, minutes: 5, at: ${at}}, {id: a, minutes: 6, at: ${at}}]` },
      /\[1\]\.id is that of another credit/,
    ],
    ['an alias', { credits: `- &a {id: a, minutes: 5, at: ${at}}\n- *a` }, /\[1\] is no credit/],
  ])('refuses %s', (_, data, problem) => {
    expect(problemsOf(data)).toContainEqual(expect.stringMatching(problem))
  })

  it('refuses minutes as a text, since only a number is one', () => {
    expect(problemsOf({ credits: `[{id: a, minutes: "20", at: ${at}}]` })[0]).toMatch(/\.minutes is "20"/)
  })

  it('refuses binaryData', () => {
    expect(parseClock({ binaryData: { paused: 'dHJ1ZQ==' } }, now)).toEqual({
      problems: ['binaryData.paused is not read; write data.paused'],
    })
  })

  it('refuses more credits than it keeps', () => {
    const many = Array.from({ length: creditLimit + 1 }, (_, id) => `- {id: c${id}, minutes: 1, at: ${at}}`)
    expect(credits(many.slice(1).join('\n'))).toHaveProperty('order')
    expect(problemsOf({ credits: many.join('\n') })[0]).toMatch(/has 501 credits; 500 are allowed/)
  })

  it('reads no text that is too long', () => {
    expect(problemsOf({ credits: 'a'.repeat(1_048_576) })[0]).toMatch(/1048576 characters/)
  })

  it.each([
    ['lists in lists', '['.repeat(50_000)],
    ['maps in maps', '{a: '.repeat(12_000)],
    ['items in items', '- '.repeat(25_000)],
  ])('refuses %s without an end', (_, text) => {
    expect(problemsOf({ credits: text })[0]).toMatch(/nested too deeply|is no YAML/)
  })

  it('follows no alias, however much it stands for', () => {
    const bomb = ['- &a [x,x,x,x,x,x,x,x,x]']
    for (let level = 1; level < 12; level++) {
      const [before, own] = [level - 1, level].map(each => String.fromCharCode(97 + each))
      bomb.push(`- &${own} [${`*${before},`.repeat(9)}]`)
    }
    expect(problemsOf({ credits: bomb.join('\n') })).toHaveLength(11)
  })

  it('tells the first complaints and the number of the others', () => {
    const problems = problemsOf({ credits: '- x\n'.repeat(40) })
    expect(problems).toHaveLength(11)
    expect(problems.at(-1)).toBe('and 30 more problems')
  })

  it('tells at most the beginning of a long value', () => {
    expect(problemsOf({ paused: 'x'.repeat(100_000) })[0]?.length).toBeLessThan(150)
  })
})

describe('clockData', () => {
  const id = fc.stringMatching(/^[A-Za-z0-9]([-._A-Za-z0-9]{0,10}[A-Za-z0-9])?$/)
  const credit: fc.Arbitrary<Credit> = fc.record(
    {
      id: fc.oneof(id, fc.constantFrom('001', 'null', 'true', '1e3', '0x1', 'no')),
      minutes: fc.integer({ min: -43_200, max: 43_200 }),
      at: fc.integer({ min: 0, max: now }),
      event: fc.integer({ min: 1, max: 2_147_483_647 }),
      template: fc.constantFrom('web-basics', 'null', '12'),
      team: fc.integer({ min: 0, max: 9 }),
    },
    { requiredKeys: ['id', 'minutes', 'at'] },
  )
  const state: fc.Arbitrary<ClockState> = fc.record({
    paused: fc.boolean(),
    lockdown: fc.boolean(),
    credits: fc.uniqueArray(credit, { selector: each => each.id, maxLength: 20 }),
  })

  it('writes what parseClock reads', () => {
    fc.assert(
      fc.property(state, written => {
        expect(parsed(clockData(written))).toEqual({ order: written })
      }),
    )
  })

  it('writes what is read at any time', () => {
    const future = { ...openClock, credits: [{ id: 'a', minutes: 1, at: now + 3_600_000 }] }
    expect(parseClock({ data: clockData(future) }, undefined)).toEqual({ order: future })
  })
})
