import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { DeployedFunction } from '../../lib/config/reference.ts'
import { type ClusterFile, parseClusterFile } from './cluster-file.ts'
import { environmentProblems } from './environment-check.ts'
import { plausible, type Resources } from './intrinsics.ts'
import { openFunctions } from './lambda.ts'
import { deleteEmptyQueues, describeLeftQueues, findLeftQueues, namesOfKeptQueues } from './left-queues.ts'
import { busName, functionName, queueName, roleName, stackName } from './names.ts'
import type { Output, Serverless } from './osls.ts'
import { describeEnd, isEnd, type SweepEnd } from './sign-of-life.ts'

/** New access entries and network interfaces need up to a minute until they work. */
const patienceMs = 90_000
const pauseMs = 5_000

/** Secrets that may come from the environment of the command, by the key of the file that gives their ARN. */
const plainSecrets = {
  DATABASE_URL: 'databaseUrl',
  FLAG_SECRET: 'flagSecret',
  FLAG_HMAC_PEPPER: 'flagHmacPepper',
} as const

interface Address {
  address: string
  params?: string[] | null
}

/**
 * The part of `serverless.yml` that is no YAML. It reads the file of the cluster (`${cluster:…}`), makes names within AWS's
 * limits (`${name(role):reconcile}`), refuses a deployment that the functions would refuse, and shows that the operator
 * lives afterwards.
 */
export default class ChallengeOperatorPlugin {
  readonly configurationVariablesSources
  readonly hooks
  readonly #serverless: Serverless
  readonly #output: Output
  readonly #stage: string
  readonly #deployedAt = new Date().toISOString()
  readonly #file: ClusterFile | undefined
  #foundNoLeftQueues = false

  constructor(serverless: Serverless, options: { region?: string }, output: Output) {
    this.#serverless = serverless
    this.#output = output
    this.#stage = serverless.getProvider('aws').getStage()
    // Help needs no cluster.
    if (!serverless.processedInput.isHelpRequest) this.#file = this.#read(options.region)
    this.configurationVariablesSources = {
      cluster: { resolve: async (address: Address) => ({ value: this.#valueAt(address) }) },
      name: { resolve: async (address: Address) => ({ value: this.#nameOf(address) }) },
      when: { resolve: async (address: Address) => ({ value: this.#valueWhen(address) }) },
      secret: { resolve: async ({ address }: Address) => ({ value: this.#plainSecret(address) }) },
      deployment: { resolve: async () => ({ value: this.#deployedAt }) },
    }
    this.hooks = {
      initialize: () => this.#initialize(),
      // Before the bundles are made, which takes longest. A package that was made earlier is deployed without this step.
      'before:package:initialize': () => this.#refuseLeftQueues(),
      'before:deploy:deploy': () => this.#beforeDeploy(),
      'after:deploy:deploy': () => this.#showLife(),
      'after:remove:remove': () => this.#afterRemove(),
      'before:rollback:initialize': () => {
        throw this.#refusal(
          'An earlier template says an earlier time of deployment, so that its forwarder would never take the lead. Deploy the earlier version in place of it: git checkout <version> && npm ci && npx serverless deploy --stage ' +
            this.#stage,
        )
      },
    }
  }

  #read(region: string | undefined): ClusterFile {
    const file = `deploy.${this.#stage}.yml`
    const path = join(this.#serverless.serviceDir, file)
    if (!existsSync(path)) throw this.#refusal(this.#missing(file))
    const read = this.#refusing(() =>
      parseClusterFile(readFileSync(path, 'utf8'), { file, stage: this.#stage }),
    )
    if (region !== undefined && region !== read.region)
      throw this.#refusal(
        `${file} says the region ${read.region}, and --region says ${region}. Leave --region out.`,
      )
    return read
  }

  #missing(file: string): string {
    const others = readdirSync(this.#serverless.serviceDir)
      .flatMap(each => /^deploy\.([A-Za-z0-9-]+)\.yml$/.exec(each)?.[1] ?? [])
      .filter(each => each !== 'example')
    const known = others.length > 0 ? ` There are files for: ${others.join(', ')}.` : ''
    return `There is no ${file}. Name the cluster by --stage <cluster>, and copy deploy.example.yml to deploy.<cluster>.yml for a new one.${known}`
  }

  get #cluster(): ClusterFile {
    if (this.#file === undefined) throw new Error('The file of the cluster was not read.')
    return this.#file
  }

  /** With `(optional)`, an unset value removes the property of a resource; with `(text)`, it is an empty text. */
  #valueAt({ address, params }: Address): unknown {
    const value = address
      .split('.')
      .reduce<unknown>((map, key) => (map as Record<string, unknown> | undefined)?.[key], this.#cluster)
    if (params?.[0] === 'optional') return value ?? { Ref: 'AWS::NoValue' }
    return params?.[0] === 'text' ? String(value ?? '') : (value ?? null)
  }

  /** The address if the file turns on what the parameter names. */
  #valueWhen({ address, params }: Address): string | null {
    return this.#cluster[params?.[0] as 'vpc' | 'accessEntries'] ? address : null
  }

  #nameOf({ address, params }: Address): string {
    const installation = { cluster: this.#cluster.cluster.name, region: this.#cluster.region }
    if (address === 'stack') return stackName(installation)
    if (address === 'bus') return busName(installation)
    const kinds = { role: roleName, queue: queueName, function: functionName }
    const kind = kinds[params?.[0] as keyof typeof kinds]
    if (kind === undefined) throw new Error(`There is no name of the kind ${params?.[0]}.`)
    return kind(installation, address)
  }

  #plainSecret(name: string): string {
    const key = plainSecrets[name as keyof typeof plainSecrets]
    return this.#cluster.secrets[key] === '' ? (process.env[name] ?? '') : ''
  }

  #initialize(): void {
    if (this.#file === undefined) return
    const { provider } = this.#serverless.service
    provider.environment = { ...provider.environment, ...this.#file.operator }
    if (this.#serverless.processedInput.commands.join(' ') !== 'deploy') return
    if (this.#stage === 'example')
      throw this.#refusal(
        'deploy.example.yml is an example. Copy it to deploy.<cluster>.yml, and deploy --stage <cluster>.',
      )
    // Before the bundles are made, which takes longest.
    const { functions, resources } = this.#serverless.service
    this.#judge(resources.Resources, name => ({ ...provider.environment, ...functions[name]?.environment }))
  }

  async #beforeDeploy(): Promise<void> {
    const Resources = this.#serverless.service.provider.compiledCloudFormationTemplate?.Resources ?? {}
    const environmentOf = (name: DeployedFunction) => {
      const deployed = Object.values(Resources).find(
        ({ Properties }) => Properties?.FunctionName === this.#serverless.service.functions[name]?.name,
      )
      const { Variables } = (deployed?.Properties?.Environment ?? {}) as {
        Variables?: Record<string, unknown>
      }
      // A package that was made earlier is deployed now.
      if (Variables !== undefined) Variables.OPERATOR_DEPLOYED_AT = this.#deployedAt
      return Variables ?? {}
    }
    this.#judge(Resources, environmentOf)
    await this.#refuseLeftQueues()
    for (const name of Object.keys(plainSecrets).filter(each => this.#plainSecret(each) !== ''))
      this.#output.log.warning(
        `${name} becomes a plain variable of the functions. Everybody who may read their configuration reads it. Give an ARN in secrets.${plainSecrets[name as keyof typeof plainSecrets]}.`,
      )
  }

  /** @throws with the queues that keep CloudFormation from making those of the stack */
  async #refuseLeftQueues(): Promise<void> {
    if (this.#foundNoLeftQueues || this.#serverless.processedInput.commands.join(' ') !== 'deploy') return
    const configuration = await this.#serverless.getProvider('aws').getAwsSdkV3Config()
    const names = namesOfKeptQueues(this.#serverless.service.resources.Resources)
    const left = await findLeftQueues(names, this.#nameOf({ address: 'stack' }), configuration)
    this.#foundNoLeftQueues = left.length === 0
    if (this.#foundNoLeftQueues) return
    const problems = describeLeftQueues(left).map(each => `  - ${each}`)
    throw this.#refusal(
      `Nothing was deployed, since queues of these names exist already:\n${problems.join('\n')}\nSQS gives the name of a deleted queue free after a minute.`,
    )
  }

  /** @throws with every problem that a function would find in its environment */
  #judge(resources: Resources, environmentOf: (name: DeployedFunction) => Record<string, unknown>): void {
    const { region } = this.#cluster
    const place = { region, stack: this.#nameOf({ address: 'stack' }) }
    const judged = (name: DeployedFunction): Record<string, string> => {
      const variables = Object.entries(environmentOf(name))
      const values = variables.map(([key, value]) => [key, plausible(value, resources, place)])
      return { ...Object.fromEntries(values), AWS_REGION: region }
    }
    const problems = environmentProblems(judged)
    if (problems.length > 0)
      throw this.#refusal(
        `Nothing was deployed, since the functions would refuse to start. In deploy.${this.#stage}.yml:\n${problems.map(each => `  - ${each}`).join('\n')}`,
      )
  }

  async #showLife(): Promise<void> {
    const { log } = this.#output
    const progress = this.#output.progress.get('life')
    progress.notice('Waiting for the forwarder')
    const functions = openFunctions(await this.#serverless.getProvider('aws').getAwsSdkV3Config())
    const event = { source: 'challenge-operator.deploy', time: this.#deployedAt }
    const name = (each: DeployedFunction) => this.#serverless.service.functions[each]?.name ?? each
    const expected = {
      stage: this.#stage,
      cluster: this.#cluster.cluster.name,
      stack: `${this.#cluster.region}/${this.#nameOf({ address: 'stack' })}`,
      deployedAt: this.#deployedAt,
    }
    // The schedule would begin it with its next turn.
    await functions.begin(name('watch-forwarder'), event)
    const until = Date.now() + patienceMs
    let end: SweepEnd = await functions.sweep(name('sweep'), event)
    while (Date.now() < until && !isEnd(end, expected)) {
      await sleep(pauseMs)
      end = await functions.sweep(name('sweep'), event)
    }
    const { alive, sentence } = describeEnd(end, expected)
    progress.remove()
    if (alive) return log.notice(sentence)
    log.error(sentence)
    log.notice(`npx challenge-operator doctor --stage ${this.#stage} looks at each thing.`)
    process.exitCode = 1
  }

  async #afterRemove(): Promise<void> {
    const configuration = await this.#serverless.getProvider('aws').getAwsSdkV3Config()
    const names = namesOfKeptQueues(this.#serverless.service.resources.Resources)
    for (const { url, messages } of await deleteEmptyQueues(names, configuration))
      this.#output.log.warning(
        `${url} stays, with ${messages} dead letters that exist nowhere else. The next deployment needs it gone: aws sqs delete-queue --queue-url ${url}`,
      )
  }

  #refusing<T>(read: () => T): T {
    try {
      return read()
    } catch (thrown) {
      throw this.#refusal((thrown as Error).message)
    }
  }

  /** An error of the user, which osls prints without a stack. */
  #refusal(message: string): Error {
    return new this.#serverless.classes.Error(message, 'CHALLENGE_OPERATOR_REFUSED')
  }
}
