import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { configurationReference, deployedFunctions } from '../../lib/config/reference.ts'
import { type Section, Variables } from '../../lib/config/section.ts'

type FunctionEnvironment = Record<string, unknown>

interface Printed {
  provider: { environment: FunctionEnvironment }
  functions: Record<string, { environment?: FunctionEnvironment }>
}

const root = resolve(import.meta.dirname, '../..')
/** A value that cannot come from elsewhere, and that may be part of a stack's name. */
const valueFor = (name: string) => name.toLowerCase().replaceAll('_', '-')
let home: string
let printed: Printed

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'serverless-'))
  const names = configurationReference.map(({ name }) => name)
  const env = {
    ...Object.fromEntries(names.map(name => [name, valueFor(name)])),
    AWS_REGION: 'eu-central-1',
    PATH: process.env.PATH,
    HOME: home,
    SLS_TELEMETRY_DISABLED: '1',
  }
  const serverless = join(root, 'node_modules/.bin/serverless')
  const { stdout } = await promisify(execFile)(serverless, ['print', '--format', 'json'], { cwd: root, env })
  printed = JSON.parse(stdout)
}, 300_000)
afterAll(() => rm(home, { recursive: true, force: true }))

function environmentOf(name: string): FunctionEnvironment {
  return { ...printed.provider.environment, ...printed.functions[name]?.environment }
}

describe('the environment of the functions in serverless.yml', () => {
  it('belongs to the functions that the reference knows', () => {
    expect(Object.keys(printed.functions).toSorted()).toEqual(deployedFunctions.toSorted())
  })

  it.each(configurationReference)('has $name where the reference says so', ({ name, functions }) => {
    const having = deployedFunctions.filter(each => name in environmentOf(each))
    // One that a function reads without need is harmless, unless it is a secret.
    const isSecret = /^(FLAG_|DATABASE_URL)/.test(name)
    expect(having).toEqual(expect.arrayContaining([...functions]))
    if (isSecret || functions.length === 0) expect(having).toEqual(functions)
    for (const each of having) {
      const value = environmentOf(each)[name]
      // The stack makes queues and bus, and refers to them.
      if (typeof value !== 'object') expect(value).toBe(valueFor(name))
      else if (name === 'OPERATOR_STACK')
        expect(value).toEqual({ 'Fn::Sub': expect.stringContaining('AWS::StackName') })
      else expect(value).toEqual({ Ref: expect.stringMatching(/Queue$|DeadLetters$|^EventBus$/) })
    }
  })
})

describe('the reference of the configuration', () => {
  it.each(deployedFunctions)('names every variable that %s reads', async name => {
    const read = await variablesReadBy(name)
    expect(read).toContain('OPERATOR_NAMESPACE')
    const missing = configurationReference
      .filter(row => read.includes(row.name) && !row.functions.includes(name))
      .map(row => row.name)
    // Only the function that makes flags gets their keys, and only commands act on the registries. Lambda gives the region.
    expect(
      missing.filter(
        each => !/^(FLAG_|KUBECONFIG$|AWS_|OPERATOR_HEALTH_PORT$|OPERATOR_ALLOWED_REGISTRIES$)/.test(each),
      ),
    ).toEqual([])
  })
})

/** Runs the sections of the function, and records what they ask for. */
async function variablesReadBy(name: string): Promise<string[]> {
  const { sections } = (await import(join(root, 'functions', name, 'sections.ts'))) as {
    sections: Record<string, Section<unknown>>
  }
  const read = new Set<string>()
  // With an EKS cluster, as on Lambda.
  const environment = new Proxy<Record<string, string>>(
    { EKS_CLUSTER_NAME: 'ctf' },
    {
      get(target, key) {
        read.add(String(key))
        return target[String(key)]
      },
    },
  )
  for (const section of Object.values(sections)) section(new Variables(environment))
  return [...read]
}
