import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { measured } from '../../../deploy/cost/measured.ts'
import { costOfMonth, metricCount, total } from '../../../deploy/cost/month.ts'
import { prices } from '../../../deploy/cost/prices.ts'
import { costTable, countAlarms, pageWithTable } from '../../../deploy/cost/table.ts'
import { parseClusterFile } from '../../../deploy/plugin/cluster-file.ts'

const root = resolve(import.meta.dirname, '../../..')
const text = (path: string) => readFileSync(join(root, path), 'utf8')
const alarms = countAlarms()
const dollarsOf = (name: string, instances = 0) =>
  costOfMonth({ instances, alarms }).find(line => line.name === name)?.dollars

describe('the cost of a month', () => {
  it('is at most 30 dollars while nothing happens', () => {
    expect(total(costOfMonth({ instances: 0, alarms }))).toBeLessThanOrEqual(30)
  })

  it('stands in deploy-aws.md as the script writes it', () => {
    const page = text('docs/deploy-aws.md')
    expect(page).toContain(costTable())
    expect(pageWithTable(page)).toBe(page)
  })

  it('follows from the prices and from what was measured', () => {
    // 2.03 windows of 256 MB, and 43,200 looks of 0.1 s.
    const windows = 2.03 * 720 * 3_600 * 0.25 * 0.0000133334
    const looks = 43_200 * (0.1 * 0.25 * 0.0000133334 + 0.2 / 1e6)
    expect(dollarsOf('Lambda: watch-forwarder')).toBeCloseTo(windows + looks, 6)
    // Four sweeps a minute of 512 MB, of which those of 48 hours compare the instances.
    const { secondsAtRest, secondsPerInstance } = measured.sweep
    const comparing = 48 * 60 * 4 * 5_000 * secondsPerInstance * 0.5 * 0.0000133334
    const sweeps = 43_200 * 4 * (secondsAtRest * 0.5 * 0.0000133334 + 0.2 / 1e6)
    expect(dollarsOf('Lambda: sweep')).toBeCloseTo(sweeps, 6)
    expect(dollarsOf('Lambda: sweep', 5_000)).toBeCloseTo(sweeps + comparing, 6)
    expect(dollarsOf('CloudWatch: alarms')).toBeCloseTo(alarms * prices.cloudWatch.alarmMonth, 6)
    expect(dollarsOf('EventBridge', 5_000)).toBeCloseTo(0.025, 6)
    expect(total(costOfMonth({ instances: 5_000, alarms }))).toBeGreaterThan(
      total(costOfMonth({ instances: 500, alarms })),
    )
  })

  it('counts each metric that an operator at rest sends, and each value of a dimension', () => {
    expect(metricCount('at rest')).toBe(7)
    expect(dollarsOf('CloudWatch: metrics')).toBeCloseTo(7 * 0.3, 6)
    // Four outcomes are four metrics.
    expect(metricCount('during an event')).toBeGreaterThan(4 + 6)
  })

  it('reckons with the memory and the schedules of serverless.yml, and the defaults of the cluster file', () => {
    const { provider, functions } = parse(text('serverless.yml'), { logLevel: 'error' }) as {
      provider: { memorySize: number; architecture: string }
      functions: Record<string, { memorySize?: number | string; events: { schedule?: string }[] }>
    }
    const { memory } = parseClusterFile('region: eu-central-1', { file: 'deploy.prod.yml', stage: 'prod' })
    const chosen: Record<string, number> = {
      '${cluster:memory.watchForwarder}': memory.watchForwarder,
      '${cluster:memory.sweep}': memory.sweep,
    }
    const memoryOf = (name: string) => {
      const size = functions[name]?.memorySize ?? provider.memorySize
      return (typeof size === 'string' ? (chosen[size] ?? Number.NaN) : size) / 1_024
    }
    expect(provider.architecture).toBe('arm64')
    expect(memoryOf('watch-forwarder')).toBe(measured.forwarder.memoryGb)
    for (const name of ['sweep', 'publish', 'reconcile', 'timer'] as const)
      expect(memoryOf(name), name).toBe(measured[name].memoryGb)
    const schedules = ['watch-forwarder', 'sweep', 'publish'].map(
      name => functions[name]?.events[0]?.schedule,
    )
    expect(schedules).toEqual(['rate(1 minute)', 'cron(* * * * ? *)', 'rate(1 minute)'])
  })
})
