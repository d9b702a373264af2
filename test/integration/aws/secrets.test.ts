import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { databaseAddress } from '../../../functions/database.ts'
import { withKeys } from '../../../functions/keys.ts'
import { functionTracer } from '../../../functions/tracing.ts'
import { openSecretReader } from '../../../lib/aws/secret-reader.ts'
import { parseDatabaseConfig } from '../../../lib/config/connections.ts'
import { type OperatorConfig, parseOperatorConfig } from '../../../lib/config/operator.ts'
import { parseSecretArn, type SecretReference } from '../../../lib/config/secret-reference.ts'
import { OperatorError } from '../../../lib/errors.ts'
import { type Database, openDatabase } from '../../../lib/store/database.ts'
import { examine } from '../../../lib/store/examine.ts'
import { bareEnvironment, runCommand } from '../../support/command.ts'
import { type Moto, motoServer, startMoto } from '../../support/moto.ts'
import { startOtlpReceiver } from '../../support/otlp-receiver.ts'
import { recordedLog } from '../../support/recorded-log.ts'
import { testDatabase } from '../../support/shared-parts.ts'

const region = 'eu-central-1'
const credentials = { accessKeyId: 'AKIAIOSFODNN7EXAMPLE', secretAccessKey: 'secret' }
const soon = () => AbortSignal.timeout(30_000)
const password = () => `p@ss/${Math.random().toString(36).slice(2)}:%`

const server = await motoServer()

describe.skipIf(server === undefined)('secrets that AWS keeps', () => {
  let moto: Moto
  beforeAll(async () => {
    moto = await startMoto(server ?? '')
  }, 120_000)
  afterAll(() => moto?.stop())

  /** The protocol of both services, which moto speaks without a check of the signature. */
  async function call(target: string, body: object): Promise<Record<string, string>> {
    const service = target.startsWith('secretsmanager') ? 'secretsmanager' : 'ssm'
    const answer = await fetch(moto.endpoint, {
      method: 'POST',
      headers: {
        'content-type': 'application/x-amz-json-1.1',
        'x-amz-target': target,
        authorization: `AWS4-HMAC-SHA256 Credential=AKIA/20261130/${region}/${service}/aws4_request, SignedHeaders=host, Signature=0`,
      },
      body: JSON.stringify(body),
    })
    expect(answer.status).toBe(200)
    return (await answer.json()) as Record<string, string>
  }
  const create = async (name: string, content: object) =>
    (await call('secretsmanager.CreateSecret', { Name: name, ...content })).ARN ?? ''
  const change = (arn: string, text: string) =>
    call('secretsmanager.PutSecretValue', { SecretId: arn, SecretString: text })

  const reference = (arn: string, variable = 'FLAG_SECRET') => {
    const parsed = parseSecretArn(arn, variable)
    if (parsed === undefined) throw new Error(`${arn} is no ARN`)
    return parsed
  }
  const reader = (endpoint = moto.endpoint) =>
    openSecretReader({ endpoints: { secretsmanager: endpoint, ssm: endpoint }, credentials })
  const failure = (reading: Promise<unknown>) =>
    reading.then(
      () => undefined,
      thrown => thrown as OperatorError,
    )

  describe('a read', () => {
    it('gives the text of a secret, its bytes, and a parameter that is encrypted', async () => {
      const read = reader()
      const text = await create('ctf/text', { SecretString: 'of the secret' })
      const bytes = await create('ctf/bytes', { SecretBinary: Buffer.from('of bytes').toString('base64') })
      expect(await read(reference(text))).toBe('of the secret')
      expect(await read(reference(bytes))).toBe('of bytes')
      await call('AmazonSSM.PutParameter', { Name: '/ctf/key', Value: 'of SSM', Type: 'SecureString' })
      const parameter = `arn:aws:ssm:${region}:123456789012:parameter/ctf/key`
      expect(await read(reference(parameter))).toBe('of SSM')
    })

    it('names the variable and no ARN where there is no such secret', async () => {
      const thrown = await failure(
        reader()(reference(`arn:aws:secretsmanager:${region}:123456789012:secret:nowhere-AbCdEf`)),
      )
      expect(thrown).toMatchObject({
        reason: 'OperatorMisconfigured',
        message: 'the secret of FLAG_SECRET_SECRET_ARN does not exist; check FLAG_SECRET_SECRET_ARN',
      })
    })

    it('ends by its deadline where nobody answers, and says so', async () => {
      const silent = await listening(() => {})
      const thrown = await failure(reader(silent.endpoint)(anySecret))
      expect(thrown).toBeInstanceOf(OperatorError)
      expect(thrown?.message).toMatch(/FLAG_SECRET_SECRET_ARN was not answered within 5 s/)
      await silent.stop()
    })

    it.each([
      [400, 'AccessDeniedException', 'Forbidden', /secretsmanager:GetSecretValue on it, and kms:Decrypt/],
      [400, 'com.amazonaws.x#DecryptionFailure', 'Forbidden', /kms:Decrypt/],
      [400, 'UnrecognizedClientException', 'Forbidden', /credentials/],
    ])('says what the role lacks (%s %s)', async (status, type, reason, message) => {
      const refusing = await listening((_, answer) => {
        answer.statusCode = status
        answer.end(JSON.stringify({ __type: type, message: 'quotes hunter2' }))
      })
      const thrown = await failure(reader(refusing.endpoint)(anySecret))
      expect(thrown).toMatchObject({ reason, message: expect.stringMatching(message) })
      expect(JSON.stringify([thrown?.message, String(thrown?.cause)])).not.toContain('hunter2')
      await refusing.stop()
    })

    it('is repeated where the service fails or throttles', async () => {
      let asked = 0
      const failing = await listening((_, answer) => {
        asked += 1
        answer.statusCode = asked === 1 ? 500 : asked === 2 ? 400 : 200
        answer.end(
          JSON.stringify(asked < 3 ? { __type: 'ThrottlingException' } : { SecretString: 'at last' }),
        )
      })
      expect(await reader(failing.endpoint)(anySecret)).toBe('at last')
      await failing.stop()
    })
  })

  describe('a database whose password rotates', () => {
    let database: Awaited<ReturnType<typeof testDatabase>>
    let admin: pg.Client
    let role: string
    let arn: string
    let db: Database
    const { log, lines } = recordedLog()
    const addressed = () => {
      const url = new URL(database.url)
      return { host: url.hostname, port: Number(url.port), dbname: url.pathname.slice(1), engine: 'postgres' }
    }
    const secretWith = (word: string, username = role) =>
      JSON.stringify({ ...addressed(), username, password: word })
    const environment = () => {
      const { host, port } = addressed()
      // The server of the tests has no TLS, which the base says.
      return { DATABASE_URL: `postgres://${host}:${port}?sslmode=disable`, DATABASE_URL_SECRET_ARN: arn }
    }

    beforeAll(async () => {
      database = await testDatabase()
      admin = new pg.Client({ connectionString: database.url })
      await admin.connect()
      role = `rotating_${Math.random().toString(36).slice(2)}`
      const first = password()
      await admin.query(`CREATE ROLE ${role} LOGIN PASSWORD '${first}'`)
      arn = await create('ctf/database', { SecretString: secretWith(first) })
      const read = reader()
      db = openDatabase({ url: databaseAddress(parseDatabaseConfig(environment()), { read, log }), max: 2 })
    })
    afterAll(async () => {
      await db?.destroy()
      await admin?.query(`DROP ROLE IF EXISTS ${role}; DROP ROLE IF EXISTS ${role}_clone`)
      await admin?.end()
      await database?.remove()
    })

    const works = () => examine(db, soon()).then(() => true)
    const disconnect = () =>
      admin.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename LIKE '${role}%'`)

    it('is reached by the JSON of RDS', async () => {
      expect(await works()).toBe(true)
    })

    it('is reached again after a rotation, and by the other user of a rotation with two users', async () => {
      const second = password()
      await admin.query(`ALTER ROLE ${role} PASSWORD '${second}'`)
      await disconnect()
      // The new password is not in the secret yet, as in the middle of a rotation.
      await expect(works()).rejects.toMatchObject({ reason: 'DatabaseUnavailable' })
      await change(arn, secretWith(second))
      await expect.poll(() => works().catch(() => false), { timeout: 30_000 }).toBe(true)
      const third = password()
      await admin.query(`CREATE ROLE ${role}_clone LOGIN PASSWORD '${third}'`)
      await admin.query(`ALTER ROLE ${role} NOLOGIN`)
      await change(arn, secretWith(third, `${role}_clone`))
      await disconnect()
      await expect.poll(() => works().catch(() => false), { timeout: 30_000 }).toBe(true)
      await Promise.all([works(), works(), works(), works()])
      expect(JSON.stringify(lines)).not.toMatch(/p@ss|p%40ss/)
    })

    it('is examined by doctor, which says what of the secrets cannot be read', async () => {
      const { output } = await runCommand(['doctor'], {
        ...bareEnvironment(),
        ...environment(),
        AWS_ENDPOINT_URL_SECRETS_MANAGER: moto.endpoint,
        AWS_ACCESS_KEY_ID: 'a',
        AWS_SECRET_ACCESS_KEY: 'b',
        FLAG_SECRET_SECRET_ARN: `arn:aws:secretsmanager:${region}:123456789012:secret:nowhere-AbCdEf`,
      })
      expect(output).toContain("the operator's tables are missing")
      expect(output).toMatch(/FAIL +flag secret +the secret of FLAG_SECRET_SECRET_ARN does not exist/)
    })
  })

  it('holds the headers for the receiver of traces', async () => {
    const receiver = await startOtlpReceiver()
    try {
      const arn = await create('ctf/tracing-headers', { SecretString: 'x-key=from-aws' })
      const environment = {
        OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint,
        OTEL_EXPORTER_OTLP_HEADERS_SECRET_ARN: arn,
      }
      const { log, lines } = recordedLog()
      const tracer = functionTracer('sweep', parseOperatorConfig(environment), { read: reader(), log })
      tracer?.record({ name: 'a', kind: 'internal', startedAt: 0, endedAt: 1, attributes: {} })
      await tracer?.flush()
      expect(lines).toEqual([])
      expect(receiver.requests).toMatchObject([{ headers: { 'x-key': 'from-aws' } }])
    } finally {
      receiver.stop()
    }
  })

  describe('keys that rotate', () => {
    it('are read at the first use, and again after their time; an outage changes nothing', async () => {
      const first = 'a'.repeat(32)
      const second = 'b'.repeat(32)
      const flagSecret = await create('ctf/flag', { SecretString: `{"FLAG_SECRET":"${first}"}` })
      const pepper = await create('ctf/pepper', { SecretString: 'pepper\n' })
      const config = parseOperatorConfig({
        FLAG_SECRET_SECRET_ARN: flagSecret,
        FLAG_HMAC_PEPPER_SECRET_ARN: pepper,
      })
      const { log } = recordedLog()
      let isAway = false
      let at = Date.now()
      const readAws = reader()
      const read = async (asked: SecretReference) => {
        if (isAway) throw new OperatorError('Internal', 'away')
        return readAws(asked)
      }
      let made = 0
      const keys = withKeys(config, { read, log, now: () => at }, (present: OperatorConfig) => {
        made += 1
        return async () => ({ ...present })
      })
      expect(made).toBe(0)
      expect(await keys()).toMatchObject({
        flagSecret: first,
        flagHmacPepper: 'pepper',
        keysProblem: undefined,
      })
      await change(flagSecret, second)
      expect((await keys()).flagSecret).toBe(first)
      expect(made).toBe(1)
      at += 16 * 60_000
      expect(await keys()).toMatchObject({ flagSecret: second, flagHmacPepper: 'pepper' })
      expect(made).toBe(2)
      isAway = true
      at += 16 * 60_000
      expect((await keys()).flagSecret).toBe(second)
      isAway = false
      await change(flagSecret, 'short')
      at += 16 * 60_000
      expect(await keys()).toMatchObject({
        flagSecret: undefined,
        keysProblem: expect.stringContaining('too short'),
      })
    })
  })
})

const anySecret: SecretReference = {
  arn: `arn:aws:secretsmanager:${region}:123456789012:secret:any-AbCdEf`,
  service: 'secretsmanager',
  region,
  domain: 'amazonaws.com',
  variable: 'FLAG_SECRET',
}

async function listening(answer: Parameters<typeof createServer>[1]) {
  const server: Server = createServer(answer as never)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    endpoint: `http://127.0.0.1:${port}`,
    stop: () =>
      new Promise<void>(resolve => {
        server.closeAllConnections()
        server.close(() => resolve())
      }),
  }
}
