import { chown, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openDatabase } from '../../../lib/store/database.ts'
import { examine } from '../../../lib/store/examine.ts'
import type { Postgres } from '../../../local/parts/postgres.ts'
import { waitUntil } from '../../../local/process/wait.ts'
import { type Authority, type Issued, makeAuthority } from '../../support/certificates.ts'
import { bareEnvironment, runCommand } from '../../support/command.ts'
import { startTestPostgres } from '../../support/postgres.ts'
import { type TemporaryFolder, temporaryFolder } from '../../support/temporary-folder.ts'
import { soon } from './store-database.ts'

let postgres: Postgres
let admin: pg.Client
let folder: TemporaryFolder
let authority: Authority
let caFile: string

beforeAll(async () => {
  postgres = await startTestPostgres()
  admin = new pg.Client({ connectionString: postgres.url })
  await admin.connect()
  folder = await temporaryFolder('tls')
  authority = makeAuthority()
  caFile = join(folder.path, 'ca.pem')
  await writeFile(caFile, authority.certificate)
  await acceptTlsOnly(authority.issue(['localhost', '127.0.0.1']))
})
afterAll(async () => {
  await admin.end()
  await postgres.stop()
  await folder.remove()
})

async function shown(setting: string): Promise<string> {
  return (await admin.query(`SHOW ${setting}`)).rows[0][setting]
}

/** As RDS does with `rds.force_ssl`: every connection from now on has to use TLS. */
async function acceptTlsOnly({ certificate, key }: Issued): Promise<void> {
  const data = await shown('data_directory')
  const { uid, gid } = await stat(data)
  const write = async (path: string, text: string) => {
    await writeFile(path, text, { mode: 0o600 })
    await chown(path, uid, gid)
  }
  await write(join(data, 'server.crt'), certificate)
  await write(join(data, 'server.key'), key)
  await write(await shown('hba_file'), 'hostssl all all 127.0.0.1/32 scram-sha-256\n')
  await admin.query('ALTER SYSTEM SET ssl = on')
  await admin.query('SELECT pg_reload_conf()')
  const serves = async () => {
    const url = addressed({ sslmode: 'no-verify' })
    const client = new pg.Client({ connectionString: url.href })
    await client.connect()
    const { issuer_dn: _, ssl } = (
      await client.query('SELECT * FROM pg_stat_ssl WHERE pid = pg_backend_pid()')
    ).rows[0]
    await client.end()
    return ssl as boolean
  }
  await waitUntil('TLS of Postgres', 5_000, () => serves().catch(() => false), soon())
}

function addressed(parameters: Record<string, string>, host = 'localhost'): URL {
  const url = new URL(postgres.url)
  url.hostname = host
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value)
  return url
}

async function examined(url: URL) {
  const database = openDatabase({ url: url.href })
  return examine(database, soon()).finally(() => database.destroy())
}

describe('a database that accepts TLS only, with a private CA', () => {
  it.each(['localhost', '127.0.0.1'])(
    'is reached with sslmode=verify-full and sslrootcert (%s)',
    async host => {
      const url = addressed({ sslmode: 'verify-full', sslrootcert: caFile }, host)
      expect(await examined(url)).toMatchObject({ migrated: false })
    },
  )

  it('is reached with sslmode=verify-full and NODE_EXTRA_CA_CERTS', async () => {
    const env = {
      ...bareEnvironment(),
      DATABASE_URL: addressed({ sslmode: 'verify-full' }).href,
      NODE_EXTRA_CA_CERTS: caFile,
    }
    expect(await runCommand(['migrate'], env)).toMatchObject({
      code: 0,
      output: expect.stringContaining('migrated: '),
    })
  })

  const unavailable = (message: RegExp) => ({
    reason: 'DatabaseUnavailable',
    fate: 'retryable',
    message: expect.stringMatching(message),
  })

  it('says that it wants TLS when it is called without', async () => {
    await expect(examined(addressed({}))).rejects.toMatchObject(
      unavailable(/accepts encrypted connections only; add sslmode=verify-full to DATABASE_URL/),
    )
  })

  it('is not taken for a wrong password, and a wrong password is not taken for missing TLS', async () => {
    const wrong = addressed({ sslmode: 'verify-full', sslrootcert: caFile })
    wrong.password = 'wrong'
    await expect(examined(wrong)).rejects.toMatchObject(unavailable(/user or password/))
  })

  it('names the ways to trust its CA when that is unknown', async () => {
    await expect(examined(addressed({ sslmode: 'verify-full' }))).rejects.toMatchObject(
      unavailable(/unknown authority.*sslrootcert.*NODE_EXTRA_CA_CERTS/),
    )
  })

  it.each([
    ['require', /unknown authority/],
    ['prefer', /unknown authority/],
  ])('is verified with sslmode=%s, too', async (sslmode, message) => {
    await expect(examined(addressed({ sslmode }))).rejects.toMatchObject(unavailable(message))
    expect(await examined(addressed({ sslmode, sslrootcert: caFile }))).toHaveProperty('migrated')
  })

  it('is not verified where the URL asks for the modes of psql', async () => {
    const compatible = { uselibpqcompat: 'true', sslmode: 'require' }
    expect(await examined(addressed(compatible))).toHaveProperty('migrated')
    await expect(examined(addressed({ ...compatible, sslmode: 'verify-ca' }))).rejects.toMatchObject(
      unavailable(/needs sslrootcert/),
    )
  })

  it('is not trusted with the CA of another server', async () => {
    const other = join(folder.path, 'other.pem')
    await writeFile(other, makeAuthority().certificate)
    await expect(examined(addressed({ sslmode: 'verify-full', sslrootcert: other }))).rejects.toMatchObject(
      unavailable(/certificate/),
    )
  })

  it.each([
    ['does not exist', '/nowhere/ca.pem', /sslrootcert.*"\/nowhere\/ca.pem".*ENOENT/],
    ['is no certificate', import.meta.filename, /unknown authority.*sslrootcert/],
  ])('names the file of sslrootcert that %s', async (_, sslrootcert, message) => {
    await expect(examined(addressed({ sslmode: 'verify-full', sslrootcert }))).rejects.toMatchObject(
      unavailable(message),
    )
  })

  it('is not trusted with a certificate for another host', async () => {
    await acceptTlsOnly(authority.issue(['database.example.com']))
    await expect(examined(addressed({ sslmode: 'verify-full', sslrootcert: caFile }))).rejects.toMatchObject(
      unavailable(/another host.*ERR_TLS_CERT_ALTNAME_INVALID/),
    )
  })

  it('is not trusted with a certificate that has expired', async () => {
    const from = new Date(Date.now() - 2 * 86_400_000)
    const until = new Date(Date.now() - 86_400_000)
    await acceptTlsOnly(authority.issue(['localhost'], { from, until }))
    await expect(examined(addressed({ sslmode: 'verify-full', sslrootcert: caFile }))).rejects.toMatchObject(
      unavailable(/CERT_HAS_EXPIRED/),
    )
  })
})

it('a database without TLS says so when it is called with TLS', async () => {
  const plain = await startTestPostgres()
  const url = new URL(plain.url)
  url.searchParams.set('sslmode', 'verify-full')
  await expect(examined(url)).rejects.toMatchObject({
    reason: 'DatabaseUnavailable',
    message: expect.stringMatching(/offers no TLS.*sslmode/),
  })
  await plain.stop()
})
