import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Lambda, openLambda } from '../../support/lambda-runner/lambda.ts'
import { type TemporaryFolder, temporaryFolder } from '../../support/temporary-folder.ts'

/** Functions that show what a sandbox does. */
const sources = {
  pid: `export const handler = async (event, context) =>
    ({ event, pid: process.pid, left: context.getRemainingTimeInMillis(), variables: process.env })`,
  fails: `export const handler = async () => { throw new TypeError('this function fails') }`,
  hangs: `export const handler = () => new Promise(resolve => setTimeout(resolve, 600_000))`,
  dies: `export const handler = () => process.exit(3)`,
  broken: `throw new Error('this module cannot be loaded')`,
  imports: `import 'undici'\nexport const handler = async () => 'loaded'`,
  counts: `let ticks = 0
    setInterval(() => { ticks += 1 }, 10)
    export const handler = async () => ticks`,
}

let folder: TemporaryFolder
let lambda: Lambda
const failed: { event: unknown; errorMessage: string }[] = []

beforeAll(async () => {
  folder = await temporaryFolder('functions')
  const functions = Object.entries(sources).map(async ([name, source]) => {
    const taskRoot = join(folder.path, name)
    await mkdir(taskRoot)
    await writeFile(join(taskRoot, 'index.mjs'), source)
    return [name, functionIn(taskRoot, name)] as const
  })
  lambda = openLambda(Object.fromEntries(await Promise.all(functions)))
})
afterAll(async () => {
  await lambda?.stop()
  await folder?.remove()
})

function functionIn(taskRoot: string, functionName: string) {
  const credentials = { accessKeyId: 'key', secretAccessKey: 'secret', sessionToken: 'token' }
  return {
    ...{ functionName, taskRoot, memoryMb: 128, handler: 'index.handler' },
    timeoutSeconds: functionName === 'hangs' ? 1 : 30,
    arn: `arn:aws:lambda:eu-central-1:123456789012:function:${functionName}`,
    variables: { OWN: 'variable' },
    place: () => ({ region: 'eu-central-1', credentials, endpoints: {} }),
    onFailure: async (event: unknown, { errorMessage }: { errorMessage: string }) => {
      failed.push({ event, errorMessage })
    },
  }
}

interface Shown {
  event: unknown
  pid: number
  left: number
  variables: Record<string, string>
}
const shown = async (event: unknown) => (await lambda.invoke('pid', event)) as Shown

describe('a sandbox', () => {
  test('handles one event after the other in one process, within its timeout', async () => {
    const first = await shown({ number: 1 })
    const second = await shown({ number: 2 })
    expect(first.event).toEqual({ number: 1 })
    expect(second).toMatchObject({ event: { number: 2 }, pid: first.pid })
    expect(second.left).toBeGreaterThan(0)
    expect(second.left).toBeLessThanOrEqual(30_000)
  })

  test('has the variables of its function and of Lambda, and none of the machine', async () => {
    const { variables } = await shown({})
    expect(variables).toMatchObject({
      OWN: 'variable',
      AWS_REGION: 'eu-central-1',
      AWS_SESSION_TOKEN: 'token',
    })
    const foreign = Object.keys(variables).filter(
      name => !/^(AWS_|LAMBDA_TASK_ROOT|_HANDLER|LANG|TZ|PATH|OWN$)/.test(name),
    )
    expect(foreign).toEqual([])
  })

  test('loads no package of this repository', async () => {
    await expect(lambda.invoke('imports', {})).rejects.toThrow("Cannot find package 'undici'")
  })

  test('does nothing between two events', async () => {
    const before = Number(await lambda.invoke('counts', {}))
    await sleep(1_000)
    const after = Number(await lambda.invoke('counts', {}))
    // A timer that is late fires once.
    expect(after - before).toBeLessThan(20)
  })

  test('is killed at its timeout, and a new one takes the next event', async () => {
    await expect(lambda.invoke('hangs', {})).rejects.toThrow('Task timed out after 1.00 seconds')
    const [old] = lambda.sandboxes('hangs')
    expect(old?.hasEnded).toBe(true)
    const next = await lambda.begin('hangs', {})
    expect(next.sandbox).not.toBe(old)
    await next.sandbox.kill()
  })
})

describe('an invocation', () => {
  test('fails as its function does', async () => {
    await expect(lambda.invoke('fails', {})).rejects.toThrow('this function fails')
    await expect(lambda.invoke('dies', {})).rejects.toThrow('Runtime exited with error: 3')
    await expect(lambda.invoke('broken', {})).rejects.toThrow('this module cannot be loaded')
  })

  test('tells its destination of a failure if nobody waits for its answer', async () => {
    const { outcome } = await lambda.beginAsynchronously('fails', { scheduled: true })
    await outcome
    expect(failed).toContainEqual({ event: { scheduled: true }, errorMessage: 'this function fails' })
  })

  test('has a sandbox of its own beside another one', async () => {
    const [first, second] = await Promise.all([shown({}), shown({})])
    expect(first.pid).not.toBe(second.pid)
  })
})
