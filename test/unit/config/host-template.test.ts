import { describe, expect, it } from 'vitest'
import { domainProblem, hostTemplateProblem } from '../../../lib/config/host-template.ts'

describe('a domain', () => {
  it.each([
    ['play.example.com'],
    ['xn--ls8h.example'],
    [`${'a'.repeat(63)}.example`],
    ['1.2.3.example'],
    [`${'a.'.repeat(117)}ab`],
  ])('may be %s', domain => {
    expect(domainProblem(domain)).toBeUndefined()
  })

  it.each([
    ['Play.Example.com', 'lower-case'],
    ['💩.example', 'Punycode'],
    ['play.example.com.', 'lower-case'],
    ['-a.example', 'lower-case'],
    ['a..example', 'lower-case'],
    [`${'a'.repeat(64)}.example`, '64 characters'],
    [`${'a.'.repeat(120)}example`, 'at most 236'],
    [`${'a.'.repeat(126)}a`, 'has 253 characters; write at most 236'],
    ['*.example.com', 'lower-case'],
    ['play.example.com/', 'lower-case'],
    ['https://play.example.com', 'lower-case'],
    ['play.example.com\n', 'lower-case'],
    ['bücher.example', 'Punycode'],
    ['\ud800.example', 'Punycode'],
  ])('may not be %s', (domain, sentence) => {
    expect(domainProblem(domain)).toContain(sentence)
  })
})

describe('a host template', () => {
  it.each([
    ['{name}-{hash}.{domain}'],
    ['{hash}.{domain}'],
    ['{hash}.ctf.example.com'],
    ['{template}-{hash}.e{event}.{domain}'],
  ])('may be %s', template => {
    expect(hostTemplateProblem(template)).toBeUndefined()
  })

  it.each([
    ['{name}.{domain}', 'without {hash}'],
    ['{hash}-{domain}', '{domain} between dots'],
    ['{user}-{hash}.{domain}', '{user}'],
    ['{Hash}.{domain}', '{Hash}'],
    ['{hash}..example', 'between dots'],
    ['{hash}_a.{domain}', 'lower-case'],
    ['*.{hash}.{domain}', 'lower-case'],
    ['*', 'without {hash}'],
    ['', 'without {hash}'],
    ['💩-{hash}.{domain}', 'lower-case'],
    ['Web-{hash}.{domain}', 'lower-case'],
    ['{hash}.{domain}.', 'between dots'],
    ['-{hash}.{domain}', 'lower-case'],
    ['{hash}.{domain}:8443', '{domain} between dots'],
    ['{hash}.{domain}/admin', '{domain} between dots'],
    ['{{hash}}.{domain}', 'lower-case'],
    ['{hash}\n.{domain}', 'lower-case'],
    [`{hash}-${'a'.repeat(50)}.{domain}`, 'at least 67 characters'],
  ])('may not be %s', (template, sentence) => {
    expect(hostTemplateProblem(template)).toContain(sentence)
  })
})
