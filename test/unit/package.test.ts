import { execFile } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { bundleRecords } from '../../deploy/bundle/plugins.ts'
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
      'challenge-operator-ctf-sweeps',
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

  it('hides a message about a sweep for six timeouts, and invokes the sweep with one at a time', () => {
    const { VisibilityTimeout, RedrivePolicy } = resources.SweepsQueue?.Properties ?? {}
    expect(VisibilityTimeout).toBeGreaterThanOrEqual(6 * timeoutOf('sweep'))
    expect(RedrivePolicy).toBeUndefined()
    expect(mappingOf('SweepsQueue')).toMatchObject({
      BatchSize: 1,
      ScalingConfig: { MaximumConcurrency: expect.any(Number) },
    })
  })

  it('makes the mappings of keys report single failures and limit their concurrency', () => {
    expect(ofType('AWS::Lambda::EventSourceMapping')).toHaveLength(3)
    for (const Properties of [mappingOf('ChangesQueue'), mappingOf('TimersQueue')])
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

/** Bytes of a zip. A function that is called for the first time is downloaded and parsed before it answers. */
const largestZips: Readonly<Record<string, number>> = {
  reconcile: 1_200_000,
  'watch-forwarder': 700_000,
  sweep: 900_000,
  publish: 600_000,
  timer: 400_000,
}

describe('the bundles', () => {
  it.each(Object.entries(largestZips))('%s stays within %i bytes', async (name, largest) => {
    const { size } = await stat(join(folder, `${name}.zip`))
    const { inputs, bytes } = await contentOf(name)
    const tenLargest = Object.entries(inputs)
      .map(([input, { bytesInOutput }]) => ({ input, bytesInOutput }))
      .toSorted((a, b) => b.bytesInOutput - a.bytesInOutput)
      .slice(0, 10)
      .map(({ input, bytesInOutput }) => `  ${bytesInOutput} bytes: ${input}`)
    const explanation = `${size} bytes zipped, ${bytes} before; the largest inputs:\n${tenLargest.join('\n')}\n`
    expect(size, explanation).toBeLessThanOrEqual(largest)
  })

  it('are all of the functions, and nothing else is deployed', async () => {
    const zips = (await readdir(folder)).filter(file => file.endsWith('.zip'))
    expect(zips.toSorted()).toEqual(
      Object.keys(largestZips)
        .map(name => `${name}.zip`)
        .toSorted(),
    )
    for (const zip of zips) expect(namesIn(await readFile(join(folder, zip)))).toHaveLength(1)
  })

  it('contain no part that Lambda does not need', async () => {
    for (const name of Object.keys(largestZips)) {
      const { inputs } = await contentOf(name)
      const unneeded = Object.keys(inputs).filter(input =>
        /undici\/lib\/(mock|web|milo|cache)\/|kubeconfig\.ts$|credential-provider-(?!env)/.test(input),
      )
      // The bodies of the parts that are replaced are stubs of ours.
      expect(unneeded.filter(input => !input.startsWith('deploy/bundle/'))).toEqual([])
    }
  })
})

interface Output {
  bytes: number
  inputs: Record<string, { bytesInOutput: number }>
}

/** Reads what a bundle is made of, from the list that the packaging keeps beside it. */
async function contentOf(name: string): Promise<Output> {
  const file = join(bundleRecords, `functions/${name}/index.mjs.meta.json`)
  const { outputs } = JSON.parse(await readFile(file, 'utf8')) as { outputs: Record<string, Output> }
  const [bundle] = Object.entries(outputs).filter(([path]) => path.endsWith('.mjs'))
  if (bundle === undefined) throw new Error(`${file} lists no bundle`)
  return bundle[1]
}

/** The names in the central directory of a zip. */
function namesIn(zip: Buffer): string[] {
  const names: string[] = []
  for (let at = zip.indexOf('PK\x01\x02'); at >= 0; at = zip.indexOf('PK\x01\x02', at + 46))
    names.push(zip.toString('utf8', at + 46, at + 46 + zip.readUInt16LE(at + 28)))
  return names
}

function mappingOf(queue: string): Record<string, unknown> | undefined {
  const source = JSON.stringify({ 'Fn::GetAtt': [queue, 'Arn'] })
  return ofType('AWS::Lambda::EventSourceMapping').find(
    ({ Properties }) => JSON.stringify(Properties.EventSourceArn) === source,
  )?.Properties
}

function timeoutOf(name: string): number {
  const found = ofType('AWS::Lambda::Function').find(({ Properties }) =>
    String(Properties.FunctionName).endsWith(`-${name}`),
  )
  return Number(found?.Properties.Timeout)
}
