import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { clusterFileKeys, parseClusterFile } from '../../../deploy/plugin/cluster-file.ts'
import { ClusterFileRefused } from '../../../deploy/plugin/settings.ts'
import { sampleClusterFile, sampleVariables } from '../../support/cluster-files.ts'

const at = { file: 'deploy.prod.yml', stage: 'prod' }
const parsed = (text: string) => parseClusterFile(text, at)

function problemsOf(text: string): readonly string[] {
  try {
    parsed(text)
  } catch (thrown) {
    expect(thrown).toBeInstanceOf(ClusterFileRefused)
    return (thrown as ClusterFileRefused).problems
  }
  return []
}

describe('deploy.example.yml', () => {
  const text = readFileSync(join(resolve(import.meta.dirname, '../../..'), 'deploy.example.yml'), 'utf8')

  it('is a file that can be used', () => {
    expect(parseClusterFile(text, { file: 'deploy.example.yml', stage: 'example' }).region).toBe(
      'eu-central-1',
    )
  })

  it('has every key, those that few need as comments, and can be used with them, too', () => {
    const everything = text.replaceAll(/^( *)# ( *[a-z]\w*:( \S+)?)$/gm, '$1$2')
    expect(() => parsed(everything)).not.toThrow()
    const written = Object.entries(parse(everything) as Record<string, unknown>).flatMap(([key, value]) =>
      clusterFileKeys.includes(key) ? [key] : Object.keys(value as object).map(each => `${key}.${each}`),
    )
    expect(written.toSorted()).toEqual(clusterFileKeys.toSorted())
  })
})

describe('parseClusterFile', () => {
  it('gives defaults to all keys but the region', () => {
    expect(parsed('region: eu-central-1')).toEqual({
      region: 'eu-central-1',
      cluster: { name: 'prod', endpoint: '', ca: '' },
      secrets: { databaseUrl: '', flagSecret: '', flagHmacPepper: '', tracingHeaders: '', kmsKey: '' },
      databaseUser: '',
      databaseIam: '',
      vpc: undefined,
      tags: {},
      permissionsBoundary: undefined,
      logRetentionDays: 30,
      concurrency: { reconcile: 20, watchForwarder: undefined },
      memory: { watchForwarder: 256, sweep: 512 },
      accessEntries: true,
      deletionProtection: undefined,
      operator: {},
    })
  })

  it('accepts every variable of the functions', () => {
    const lines = Object.entries(sampleVariables).map(([name, value]) => `  ${name}: '${value}'`)
    expect(parsed(sampleClusterFile({ more: `operator:\n${lines.join('\n')}` })).operator).toEqual(
      sampleVariables,
    )
  })

  it('reads a list as one with commas, and a number and true as text', () => {
    const more = `operator:
  OPERATOR_CLUSTER_CIDRS: [10.0.0.0/16, 10.1.0.0/16]
  OPERATOR_INTERVAL: 20
  OPERATOR_INGRESS_STATUS: true
  OPERATOR_DOMAIN:`
    expect(parsed(sampleClusterFile({ more })).operator).toEqual({
      OPERATOR_CLUSTER_CIDRS: '10.0.0.0/16,10.1.0.0/16',
      OPERATOR_INTERVAL: '20',
      OPERATOR_INGRESS_STATUS: 'true',
    })
  })

  it.each([
    ['regoin: eu-central-1', 'regoin is not known; did you mean region?'],
    ['endpoint: https://a.example', 'endpoint is not known; did you mean cluster.endpoint?'],
    ['colour: blue', 'colour is not known; the keys are in deploy.example.yml'],
    ['cluster: { certificate: x }', 'cluster.certificate is not known; the keys are in deploy.example.yml'],
    ['cluster: { endpont: x }', 'cluster.endpont is not known; did you mean cluster.endpoint?'],
    ['vpc: { subnets: [subnet-1] }', 'vpc.subnets is not known; did you mean vpc.subnetIds?'],
    ['vpc: subnet-1', 'vpc is "subnet-1"; write its keys below it: vpc.subnetIds, vpc.securityGroupIds'],
    [
      'operator: { OPERATOR_INTERVALL: 5 }',
      'operator: OPERATOR_INTERVALL is not known; did you mean OPERATOR_INTERVAL?',
    ],
    [
      'operator: { OPERATOR_INTERVAL: 0 }',
      'operator: OPERATOR_INTERVAL is "0"; write a whole number of seconds from 1 to 3600',
    ],
    [
      'operator: { OTEL_EXPORTER_OTLP_HEADERS_SECRET_ARN: x }',
      'operator.OTEL_EXPORTER_OTLP_HEADERS_SECRET_ARN is set by the deployment; write secrets.tracingHeaders',
    ],
    [
      'operator: { FLAG_SECRET: x }',
      'operator.FLAG_SECRET is not a variable that begins with OPERATOR_ or OTEL_; remove it',
    ],
    [
      'operator: { OPERATOR_ALLOWED_REGISTRIES: docker.io }',
      'operator.OPERATOR_ALLOWED_REGISTRIES is read by commands and by no function; remove it',
    ],
    ['operator: { OPERATOR_STACK: x }', 'operator.OPERATOR_STACK is set by the deployment; remove it'],
    ['logRetentionDays: 31', 'logRetentionDays is 31; write one of 1, 3, 5, 7, 14, 30'],
    ['memory: { sweep: 100 }', 'memory.sweep is 100; write a whole number from 512 to 3008'],
    [
      'memory: { watchForwarder: 4096 }',
      'memory.watchForwarder is 4096; write a whole number from 256 to 3008',
    ],
    ['concurrency: { reconcile: 1 }', 'concurrency.reconcile is 1; write a whole number from 2 to 1000'],
    ['accessEntries: maybe', 'accessEntries is "maybe"; write one of true, false'],
    [
      'vpc: { subnetIds: [subnet-1] }',
      'vpc needs both keys, subnetIds and securityGroupIds; give both, or remove vpc',
    ],
    [
      'secrets: { flagSecret: arn:aws:secretsmanager:us-east-1:123456789012:secret:flag-AbCdEf }',
      'secrets.flagSecret is in us-east-1; write one that is in eu-central-1',
    ],
    ['secrets: { databaseUrl: postgres://a:hunter2@b/c }', 'secrets.databaseUrl is no ARN; write that of'],
    ['secrets: { kmsKey: alias/ctf }', 'secrets.kmsKey is "alias/ctf"; write the ARN of a key of KMS'],
    ['databaseUser: operator', 'databaseUser is "operator"; write arn:aws:rds-db'],
    ['permissionsBoundary: admin', 'permissionsBoundary is "admin"; write the ARN of an IAM policy'],
  ])('refuses %s', (line, sentence) => {
    const problems = problemsOf(line.startsWith('reg') ? line : `region: eu-central-1\n${line}`)
    expect(
      problems.some(each => each.startsWith(sentence)),
      problems.join('\n'),
    ).toBe(true)
  })

  it('says every problem at once, and never the value of a secret', () => {
    const problems = problemsOf(
      'colour: blue\nshape: round\nsecrets: { databaseUrl: postgres://a:hunter2@b/c }',
    )
    expect(problems).toHaveLength(4)
    expect(problems.join()).not.toContain('hunter2')
  })

  it.each(['- a list', 'region: [', ''])('says that %j is no file of a cluster', text => {
    expect(problemsOf(text).length).toBeGreaterThan(0)
  })
})
