import { describe, expect, it } from 'vitest'
import { busSection, clusterSection, databaseSection, queueSection } from '../../../lib/config/connections.ts'
import { operatorSection } from '../../../lib/config/operator.ts'
import { OperatorMisconfigured, readConfig } from '../../../lib/config/section.ts'
import { problemsOf } from './problems-of.ts'

const sections = {
  operator: operatorSection,
  database: databaseSection,
  queues: queueSection,
  bus: busSection,
  cluster: clusterSection,
}

describe('readConfig', () => {
  it('reports the problems of all sections at once', () => {
    const all = problemsOf(
      { OPERATOR_INTERVAL: 'x', OPERATOR_PLACEMENT: 'y', DATABASE_URL: 'mysql://u:hunter2@h/d' },
      from => readConfig(from, sections),
    )
    for (const name of [
      'OPERATOR_INTERVAL',
      'OPERATOR_PLACEMENT',
      'DATABASE_URL',
      'CHANGES_QUEUE_URL',
      'EVENT_BUS_NAME',
      'KUBECONFIG',
    ])
      expect(all).toContain(name)
  })
})

describe('OperatorMisconfigured', () => {
  it('leads to exit code 78', () => {
    expect(new OperatorMisconfigured(['x']).exitCode).toBe(78)
  })
})
