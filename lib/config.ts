import {
  busSection,
  type ClusterConfig,
  clusterSection,
  type DatabaseConfig,
  databaseSection,
  type QueueConfig,
  queueSection,
} from './config/connections.ts'
import { type OperatorConfig, operatorSection } from './config/operator.ts'
import { type Environment, readConfig } from './config/section.ts'

export type { BusConfig, ClusterConfig, DatabaseConfig, QueueConfig } from './config/connections.ts'
export type { OperatorConfig } from './config/operator.ts'
export { configurationReference } from './config/reference.ts'
export { ConfigInvalid, type Environment, readConfig } from './config/section.ts'

/**
 * What a function may need of its environment. A function reads the sections of its bill of materials in one call,
 * `readConfig(process.env, { operator: sections.operator, queues: sections.queues })`, and so tells every complaint
 * at once.
 */
export const sections = {
  operator: operatorSection,
  database: databaseSection,
  queues: queueSection,
  bus: busSection,
  cluster: clusterSection,
} as const

/** @throws ConfigInvalid */
export function parseConfig(environment: Environment): OperatorConfig {
  return readConfig(environment, { operator: operatorSection }).operator
}

/** @throws ConfigInvalid */
export function parseDatabaseConfig(environment: Environment): DatabaseConfig {
  return readConfig(environment, { database: databaseSection }).database
}

/** @throws ConfigInvalid */
export function parseQueueConfig(environment: Environment): QueueConfig {
  return readConfig(environment, { queues: queueSection }).queues
}

/** @throws ConfigInvalid */
export function parseClusterConfig(environment: Environment): ClusterConfig {
  return readConfig(environment, { cluster: clusterSection }).cluster
}
