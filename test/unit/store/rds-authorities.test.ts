import { X509Certificate } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { getCACertificates } from 'node:tls'
import { describe, expect, it } from 'vitest'
import { rdsRegion } from '../../../lib/config/rds-host.ts'
import { withTls } from '../../../lib/store/connection-settings.ts'
import { rdsAuthorities } from '../../../lib/store/rds-authorities.ts'
import { makeAuthority } from '../../support/certificates.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

const host = 'ctf.c9akciq32rgz.eu-central-1.rds.amazonaws.com'
const nowhere = '/nowhere/ca.pem'

/** The machine may trust authorities of its own by NODE_EXTRA_CA_CERTS. They come last. */
function withoutExtra(authorities: string[] = []): string[] {
  const extra = getCACertificates('extra')
  expect(authorities.slice(authorities.length - extra.length)).toEqual(extra)
  return authorities.slice(0, authorities.length - extra.length)
}

describe('the authorities of a host of RDS', () => {
  it.each(['eu-central-1', 'us-east-1', 'ap-southeast-2', 'sa-east-1'])(
    'are the three roots of its region (%s), which are valid for decades',
    async region => {
      const authorities = await rdsAuthorities(host.replace('eu-central-1', region), nowhere)
      const parsed = withoutExtra(authorities).map(pem => new X509Certificate(pem))
      const names = parsed.map(({ subject }) => subject.match(/CN=(.*)/)?.[1])
      expect(names.toSorted()).toEqual(
        ['ECC384', 'RSA2048', 'RSA4096'].map(kind => `Amazon RDS ${region} Root CA ${kind} G1`),
      )
      for (const each of parsed) {
        expect(each.ca).toBe(true)
        expect(each.verify(each.publicKey)).toBe(true)
        expect(each.subject).toContain('OU=Amazon RDS')
        expect(new Date(each.validTo).getFullYear()).toBeGreaterThanOrEqual(2060)
      }
    },
  )

  it.each(['db.example.com', 'localhost', 'ctf.proxy-c9akciq32rgz.eu-central-1.rds.amazonaws.com'])(
    'are not needed for %s',
    async other => {
      expect(await rdsAuthorities(other, nowhere)).toBeUndefined()
    },
  )

  it('are read from the file of the runtime for a region that the package does not know', async () => {
    const folder = await temporaryFolder('rds')
    const file = join(folder.path, 'ca.pem')
    const own = makeAuthority('Amazon RDS cn-north-1 Root CA RSA2048 G1').certificate
    await writeFile(file, [makeAuthority('Another').certificate, own].join('\n'))
    const chinese = 'ctf.c9akciq32rgz.cn-north-1.rds.amazonaws.com.cn'
    expect(withoutExtra(await rdsAuthorities(chinese, file))).toEqual([own.trim()])
    expect(await rdsAuthorities(chinese, nowhere)).toBeUndefined()
    await folder.remove()
  })

  it('belong to the region in the name', () => {
    expect(rdsRegion(host)).toBe('eu-central-1')
    expect(rdsRegion('cluster.cluster-ro-abc.us-gov-west-1.rds.amazonaws.com')).toBe('us-gov-west-1')
    expect(rdsRegion('eu-central-1.rds.amazonaws.com.example.com')).toBeUndefined()
  })
})

describe('a URL of RDS', () => {
  it('asks for TLS with a verified certificate if it says nothing about TLS', () => {
    expect(withTls(`postgres://u:p%40@${host}/ctf`)).toBe(`postgres://u:p%40@${host}/ctf?sslmode=verify-full`)
  })

  it.each([
    `postgres://u:p@${host}/ctf?sslmode=disable`,
    `postgres://u:p@${host}/ctf?sslrootcert=/opt/ca.pem`,
    'postgres://u:p@db.example.com/ctf',
  ])('stays as it is where it says something, and so does another one (%s)', url => {
    expect(withTls(url)).toBe(url)
  })
})
