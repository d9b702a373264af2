import { describe, expect, it } from 'vitest'
import { parseOperatorConfig } from '../../../../lib/config/operator.ts'
import { exposureHost } from '../../../../lib/desired/exposure/host.ts'
import { instance } from '../inputs.ts'

const secret = 'a secret of the tests, long enough to be one'

function hostOf({ template, env = {}, name }: { template?: string; env?: object; name?: string } = {}) {
  const config = parseOperatorConfig({ FLAG_SECRET: secret, OPERATOR_DOMAIN: 'play.example.com', ...env })
  const exposure = { type: 'Ingress' as const, ...(template !== undefined && { host: template }) }
  return exposureHost(instance({}, name), { exposure }, config)
}

describe('the host of an instance', () => {
  it('has the name, 64 bits and the domain', () => {
    expect(hostOf()).toMatch(/^web-team-7-[0-9a-f]{16}\.play\.example\.com$/)
  })

  it('changes with the uid and with FLAG_SECRET, and is no prefix of the HMAC that makes flags', () => {
    const other = hostOf({ env: { FLAG_SECRET: 'another secret of the tests, as long as this one' } })
    expect(other).not.toBe(hostOf())
  })

  it('stays what the status reports although FLAG_SECRET has changed or is gone', () => {
    const reported = String(hostOf())
    const withStatus = {
      ...instance(),
      status: { exposure: { type: 'Ingress' as const, state: '', host: reported } },
    }
    const hostWith = (env: object, host?: string) => {
      const config = parseOperatorConfig({ OPERATOR_DOMAIN: 'play.example.com', ...env })
      return exposureHost(withStatus, { exposure: { type: 'Ingress', ...(host && { host }) } }, config)
    }
    const FLAG_SECRET = 'another secret of the tests, as long as this one'
    expect(hostWith({ FLAG_SECRET })).toBe(reported)
    expect(hostWith({})).toBe(reported)
    // Another template or domain is another host, which is made with the present key.
    expect(hostWith({ FLAG_SECRET }, '{hash}-{name}.{domain}')).toBe(
      hostOf({ template: '{hash}-{name}.{domain}', env: { FLAG_SECRET } }),
    )
    expect(hostWith({ FLAG_SECRET, OPERATOR_DOMAIN: 'new.example.com' })).toBe(
      hostOf({ env: { FLAG_SECRET, OPERATOR_DOMAIN: 'new.example.com' } }),
    )
  })

  it('keeps its hash whole when a label would be too long, and cuts the longest value', () => {
    const host = hostOf({ name: `a${'b'.repeat(62)}` })
    expect(host).toMatch(/^ab+-[0-9a-f]{16}\.play\.example\.com$/)
    expect(String(host).split('.')[0]).toHaveLength(63)
  })

  it('ends no label with a dash where a value was cut', () => {
    const host = hostOf({ template: '{hash}-{name}.{domain}', name: `a${'-b'.repeat(31)}` })
    for (const label of String(host).split('.')) expect(label).toMatch(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/)
  })

  it('fills in team, event and template', () => {
    expect(hostOf({ template: 't{team}-{hash}.e{event}.{template}.ctf.example' })).toMatch(
      /^t7-[0-9a-f]{16}\.e3\.web-basics\.ctf\.example$/,
    )
  })

  it('needs a domain only where the template has one', () => {
    expect(hostOf({ env: { OPERATOR_DOMAIN: '' } })).toMatchObject({ reason: 'ExposureUnsupported' })
    expect(hostOf({ template: '{hash}.ctf.example', env: { OPERATOR_DOMAIN: '' } })).toMatch(
      /\.ctf\.example$/,
    )
  })

  it('needs FLAG_SECRET, since nobody may guess it', () => {
    const problem = hostOf({ env: { FLAG_SECRET: '' } })
    expect(problem).toMatchObject({ reason: 'ExposureUnsupported' })
    expect(problem).toHaveProperty('message', expect.stringContaining('FLAG_SECRET'))
  })

  it('has at most 253 characters and 63 in each label, whatever its name, or one clear answer', () => {
    const names = ['a', `a${'b'.repeat(62)}`, `a${'-b'.repeat(31)}`]
    const domains = [
      'play.example.com',
      `${'a.'.repeat(80)}ab`,
      `${'a.'.repeat(95)}ab`,
      `${'a.'.repeat(117)}ab`,
    ]
    const templates = [
      '{name}-{hash}.{domain}',
      '{hash}.{domain}',
      '{hash}-{name}.{template}.e{event}.{domain}',
    ]
    const answers = names.flatMap(name =>
      domains.flatMap(domain =>
        templates.map(template => hostOf({ name, template, env: { OPERATOR_DOMAIN: domain } })),
      ),
    )
    const hosts = answers.filter(each => typeof each === 'string')
    expect(hosts.length).toBeGreaterThan(15)
    for (const host of hosts) {
      expect(host.length).toBeLessThanOrEqual(253)
      expect(host).toMatch(/(^|[.-])[0-9a-f]{16}[.-]/)
      for (const label of host.split('.')) expect(label).toMatch(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/)
    }
    const refused = answers.filter(each => typeof each !== 'string')
    expect(refused.length).toBeGreaterThan(3)
    for (const each of refused) {
      expect(each.reason).toBe('ExposureUnsupported')
      expect(each.message).toMatch(/has \d{3} characters.*shorten OPERATOR_DOMAIN or the host template/)
    }
  })

  it('is refused with one clear sentence when the whole name is too long', () => {
    const domain = `${'a.'.repeat(110)}example`
    const problem = hostOf({ env: { OPERATOR_DOMAIN: domain } })
    expect(problem).toMatchObject({ reason: 'ExposureUnsupported' })
    expect(problem).toHaveProperty('message', expect.stringMatching(/has 2\d\d characters.*at most 253/))
  })
})
