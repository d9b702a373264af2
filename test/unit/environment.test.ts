import { describe, expect, test } from 'vitest'
import { checkEnvironment } from '../../lib/environment.ts'
import { instance, template } from './desired/inputs.ts'

const check = (env: Record<string, string>, envSchema?: Record<string, unknown>) =>
  checkEnvironment(instance({ env }), template(envSchema && { envSchema }))

const property = (rule: object, more: object = {}) => ({
  type: 'object',
  properties: { LEVEL: rule },
  ...more,
})

describe('checkEnvironment', () => {
  test('returns the values of the instance if the template has no schema', async () => {
    expect(await check({ A: '1', _b: 'ü €' })).toEqual({ env: { A: '1', _b: 'ü €' } })
  })

  test('adds the defaults of the schema, as strings', async () => {
    const schema = {
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      $id: 'https://example.com/env',
      type: 'object',
      properties: {
        LEVEL: { type: 'integer', default: 3 },
        HARD: { type: 'boolean', default: true },
        NAME: { default: 'x' },
      },
    }
    expect(await check({ LEVEL: '5' }, schema)).toEqual({ env: { LEVEL: '5', HARD: 'true', NAME: 'x' } })
    expect(await check({}, schema)).toEqual({ env: { LEVEL: '3', HARD: 'true', NAME: 'x' } })
  })

  test('returns the value that was checked, not the text before its conversion', async () => {
    expect(await check({ LEVEL: '0x10' }, property({ type: 'integer', maximum: 16 }))).toEqual({
      env: { LEVEL: '16' },
    })
  })

  test('follows a local $ref', async () => {
    const schema = {
      ...property({ $ref: '#/definitions/port' }),
      definitions: { port: { type: 'integer', minimum: 1 } },
    }
    expect(await check({ LEVEL: '1' }, schema)).toEqual({ env: { LEVEL: '1' } })
    expect(await check({ LEVEL: '0' }, schema)).toMatchObject({ reason: 'EnvInvalid' })
  })
})

describe('checkEnvironment, given an environment that cannot be used', () => {
  test.each([
    [{ 'A-B': '1' }, '"A-B"'],
    [{ '1A': '1' }, '"1A"'],
    [{ '': '1' }, '""'],
    [{ Ä: '1' }, '"Ä"'],
    [JSON.parse('{"__proto__": "1"}'), '"__proto__"'],
    [{ A: 'x'.repeat(1025) }, '1025 bytes in A'],
    [{ A: '€'.repeat(342) }, '1026 bytes in A'],
    [{ A: 'a\0b' }, 'NUL'],
    [Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`A${i}`, ''])), 'at most 64'],
  ])('names the problem without a schema: %#: %s', async (env, sentence) => {
    const result = await check(env as Record<string, string>)
    expect(result).toMatchObject({ reason: 'EnvInvalid' })
    expect((result as { message: string }).message).toContain(sentence)
  })

  test.each([
    [{ LEVEL: 'many' }, property({ type: 'integer' }), 'LEVEL that the template refuses: it must be integer'],
    [{ LEVEL: 'x' }, property({ enum: ['easy', 'hard'] }), '["easy","hard"]'],
    [{ LEVEL: 'x y' }, property({ pattern: '^[a-z]+$' }), 'must match pattern'],
    [{ LEVEL: 'x' }, property({ format: 'email' }), 'must match format "email"'],
    [{}, property({}, { required: ['LEVEL'] }), 'lacks LEVEL'],
    [
      { OTHER: 'x' },
      property({}, { additionalProperties: false }),
      'has OTHER, which the template does not know',
    ],
    [{ LEVEL: 'x' }, { allOf: [property({ const: 'y' })] }, 'LEVEL'],
  ])('names the problem of %j under the schema %j', async (env, schema, sentence) => {
    const result = await check(env as Record<string, string>, schema)
    expect(result).toMatchObject({ reason: 'EnvInvalid' })
    expect((result as { message: string }).message).toContain(sentence)
  })

  test('returns a sentence that a database can store', async () => {
    const pattern = `^a\0${'🦀'.repeat(400)}$`
    const { message } = (await check({ LEVEL: 'x' }, property({ pattern }))) as { message: string }
    expect(message).toContain('must match pattern')
    expect(message).not.toContain('\0')
    expect(message.isWellFormed()).toBe(true)
    expect(message.length).toBeLessThan(500)
  })

  test('returns a sentence without the value', async () => {
    const result = await check({ LEVEL: 'hunter2' }, property({ pattern: '^x$' }))
    expect(JSON.stringify(result)).not.toContain('hunter2')
  })
})

describe('checkEnvironment, given a schema that cannot be used', () => {
  const doubling = (levels: number) => ({
    allOf: [{ $ref: '#/definitions/d0' }],
    definitions: Object.fromEntries(
      Array.from({ length: levels }, (_, i) => [
        `d${i}`,
        i === levels - 1
          ? {}
          : { allOf: [{ $ref: `#/definitions/d${i + 1}` }, { $ref: `#/definitions/d${i + 1}` }] },
      ]),
    ),
  })
  const deep = (levels: number): Record<string, unknown> => (levels === 0 ? {} : { not: deep(levels - 1) })

  test.each([
    ['a remote $ref', { $ref: 'https://example.com/schema.json' }, 'leads out of it'],
    ['a relative $ref', property({ $ref: 'other.json#/x' }), 'leads out of it'],
    ['a dangling $ref', property({ $ref: '#/definitions/none' }), 'leads nowhere'],
    ['a $ref to the root', { $ref: '#' }, 'leads back to itself'],
    [
      'a loop of $refs',
      {
        allOf: [{ $ref: '#/definitions/a' }],
        definitions: {
          a: { allOf: [{ $ref: '#/definitions/b' }] },
          b: { allOf: [{ $ref: '#/definitions/a' }] },
        },
      },
      'leads back to itself',
    ],
    ['doubling $refs', doubling(60), 'millions'],
    ['deep nesting', deep(5_000), 'nested deeper'],
    ['a huge enum', property({ enum: Array.from({ length: 20_000 }, (_, i) => `v${i}`) }), 'characters'],
    ['inner names', property({ $id: 'x' }), 'refer by place'],
    ['an unknown type', property({ type: 'text' }), 'correct the schema'],
    ['a broken pattern', property({ pattern: '(' }), 'pattern'],
    ['look-ahead', property({ pattern: '^(?=a)b' }), 'linear time'],
    ['a back reference', property({ pattern: '(a)\\1' }), 'linear time'],
    ['a huge repetition', property({ pattern: '(x{1000})'.repeat(12) }), 'too large together'],
    ['a default that is no value', { properties: { OTHER: { default: { a: 1 } } } }, 'list or object'],
    ['a default with a bad name', { properties: { 'A-B': { default: 'x' } } }, 'defaults'],
    [
      'an asynchronous part',
      {
        $async: true,
        properties: { LEVEL: { type: 'integer', $async: true, $ref: '#/definitions/a' } },
        definitions: { a: { $async: true } },
      },
      'async',
    ],
  ])('refuses %s', async (_, schema, sentence) => {
    const result = await check({ LEVEL: '1' }, schema)
    expect(result).toMatchObject({ reason: 'TemplateInvalid' })
    expect((result as { message: string }).message).toContain(sentence)
  })

  test('accepts a schema that only declares itself asynchronous', async () => {
    expect(await check({ LEVEL: 'x' }, property({ type: 'integer' }, { $async: true }))).toMatchObject({
      reason: 'EnvInvalid',
    })
  })
})

describe('the time of a check', () => {
  const soon = 4_000

  test.each(['^(a+)+$', '^(a|a)*$', '^(.*a){20}$', '(x+x+)+y'])(
    'stays below four seconds for the pattern %s',
    async pattern => {
      const started = performance.now()
      const result = await check({ LEVEL: `${'a'.repeat(1000)}!` }, property({ pattern }))
      expect(performance.now() - started).toBeLessThan(soon)
      expect(result).toMatchObject({ reason: 'EnvInvalid' })
    },
  )

  test.each([
    'date-time',
    'date',
    'time',
    'duration',
    'uri',
    'uri-reference',
    'uri-template',
    'url',
    'email',
    'hostname',
    'ipv4',
    'ipv6',
    'regex',
    'uuid',
    'json-pointer',
    'byte',
    'iso-date-time',
  ])('stays below four seconds for the format %s', async format => {
    for (const value of [
      'a'.repeat(1000),
      `${'1.'.repeat(500)}!`,
      `${'a@'.repeat(500)}`,
      '%'.repeat(1000),
      `http://${'a.'.repeat(480)}!`,
      '::'.repeat(500),
      `${'{a}'.repeat(330)}{`,
    ]) {
      const started = performance.now()
      await check({ LEVEL: value }, property({ format }))
      expect(performance.now() - started, `${format} ${value.slice(0, 20)}`).toBeLessThan(soon)
    }
  })
})
