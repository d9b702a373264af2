import { execFile } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { changesReceives, timersReceives } from '../../lib/aws/redelivery.ts'

interface Resource {
  Type: string
  Properties: Record<string, unknown>
}

const root = resolve(import.meta.dirname, '../..')
let folder: string
let resources: Record<string, Resource>

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'package-'))
  const serverless = join(root, 'node_modules/.bin/serverless')
  // No credentials, no configuration: what a fresh machine without a network has.
  const env = { PATH: process.env.PATH, HOME: folder, SLS_TELEMETRY_DISABLED: '1' }
  await promisify(execFile)(serverless, ['package', '--package', folder], { cwd: root, env })
  const template = await readFile(join(folder, 'cloudformation-template-update-stack.json'), 'utf8')
  resources = JSON.parse(template).Resources
}, 300_000)
afterAll(() => rm(folder, { recursive: true, force: true }))

function ofType(type: string): Resource[] {
  return Object.values(resources).filter(resource => resource.Type === type)
}

function functionNames(): string[] {
  return ofType('AWS::Lambda::Function').map(({ Properties }) => String(Properties.FunctionName))
}

describe('the package of serverless.yml', () => {
  it('contains the five functions, each with our runtime and a role of its own', () => {
    expect(functionNames().map(name => name.replace('challenge-operator-prod-', ''))).toEqual([
      'watch-forwarder',
      'reconcile',
      'timer',
      'sweep',
      'publish',
    ])
    const functions = ofType('AWS::Lambda::Function').map(({ Properties }) => Properties)
    for (const each of functions)
      expect(each).toMatchObject({ Runtime: 'nodejs24.x', Architectures: ['arm64'] })
    expect(new Set(functions.map(each => JSON.stringify(each.Role))).size).toBe(5)
  })

  it('contains the queues and the bus, and gives FIFO queues high throughput', () => {
    const names = ofType('AWS::SQS::Queue').map(({ Properties }) => Properties.QueueName)
    expect(names.sort()).toEqual([
      'challenge-operator-ctf-changes.fifo',
      'challenge-operator-ctf-dead-letters.fifo',
      'challenge-operator-ctf-timers',
      'challenge-operator-ctf-timers-dead-letters',
    ])
    const fifo = ofType('AWS::SQS::Queue').filter(({ Properties }) => Properties.FifoQueue)
    for (const { Properties } of fifo)
      expect(Properties).toMatchObject({
        DeduplicationScope: 'messageGroup',
        FifoThroughputLimit: 'perMessageGroupId',
      })
    expect(ofType('AWS::Events::EventBus')).toHaveLength(1)
  })

  it('makes every queue hide a message for six timeouts of its function, and move it to dead letters', () => {
    const receives = { ChangesQueue: changesReceives, TimersQueue: timersReceives }
    const timeouts = { ChangesQueue: timeoutOf('reconcile'), TimersQueue: timeoutOf('timer') }
    for (const [queue, timeout] of Object.entries(timeouts)) {
      const { VisibilityTimeout, RedrivePolicy } = resources[queue]?.Properties ?? {}
      expect(VisibilityTimeout).toBeGreaterThanOrEqual(6 * timeout)
      expect(RedrivePolicy).toMatchObject({ maxReceiveCount: receives[queue as keyof typeof receives] })
    }
  })

  it('makes both mappings report single failures and limit their concurrency', () => {
    const mappings = ofType('AWS::Lambda::EventSourceMapping')
    expect(mappings).toHaveLength(2)
    for (const { Properties } of mappings)
      expect(Properties).toMatchObject({
        BatchSize: 10,
        FunctionResponseTypes: ['ReportBatchItemFailures'],
        ScalingConfig: { MaximumConcurrency: expect.any(Number) },
      })
  })

  it('lets the functions with a mapping change the visibility of what they leave in its queue', () => {
    for (const [role, queue] of [
      ['ReconcileRole', 'ChangesQueue'],
      ['TimerRole', 'TimersQueue'],
    ] as const) {
      const policies = resources[role]?.Properties.Policies as
        | { PolicyDocument: { Statement: unknown[] } }[]
        | undefined
      expect(policies?.[0]?.PolicyDocument.Statement).toContainEqual(
        expect.objectContaining({
          Action: expect.arrayContaining(['sqs:ChangeMessageVisibility']),
          Resource: { 'Fn::GetAtt': [queue, 'Arn'] },
        }),
      )
    }
  })

  it('grants no role a wildcard', () => {
    const statements = ofType('AWS::IAM::Role').flatMap(({ Properties }) =>
      JSON.stringify(Properties.Policies ?? []),
    )
    expect(statements).toHaveLength(5)
    for (const statement of statements) expect(statement).not.toMatch(/"\*"|:\*"/)
  })
})

describe('the bundles', () => {
  it('stay below four MiB each, so that a function starts fast', async () => {
    const bundles = (await readdir(folder)).filter(file => file.endsWith('.zip'))
    expect(bundles).toHaveLength(5)
    for (const bundle of bundles) expect((await stat(join(folder, bundle))).size).toBeLessThan(4 * 2 ** 20)
  })
})

function timeoutOf(name: string): number {
  const found = ofType('AWS::Lambda::Function').find(({ Properties }) =>
    String(Properties.FunctionName).endsWith(`-${name}`),
  )
  return Number(found?.Properties.Timeout)
}
