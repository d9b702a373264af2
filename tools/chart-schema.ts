// Writes charts/challenge-operator/values.schema.json from the reference of the configuration. Run `npx node tools/chart-schema.ts` after a change of it.
import { writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { configurationReference } from '../lib/config/reference.ts'

export const schemaPath = join(
  resolve(import.meta.dirname, '..'),
  'charts/challenge-operator/values.schema.json',
)

/** Variables whose value no ConfigMap may hold, and those that name what a pod does not have. */
const notSettings = /^(FLAG_SECRET|FLAG_HMAC_PEPPER|DATABASE_URL|KUBECONFIG)$/

const text = { type: 'string' }
const name = { type: 'string', pattern: '^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$' }
const object = { type: 'object' }
/** An object that a Prometheus finds by its labels. */
const discovered = {
  enabled: { type: 'boolean' },
  labels: { type: 'object', additionalProperties: text },
}

/** A list of names with commas between, or `*` alone. */
const namespaces = '^(\\*|[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?( *, *[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*)$'

const sdkVariables =
  '^AWS_(ENDPOINT_URL(_[A-Z0-9]+)*|MAX_ATTEMPTS|RETRY_MODE|CA_BUNDLE|ROLE_ARN|USE_[A-Z]+_ENDPOINT)$'

function closed(properties: Record<string, unknown>, required: readonly string[] = []) {
  return { type: 'object', additionalProperties: false, properties, required }
}

/** Returns the schema of the chart's values. */
export function chartSchema() {
  const settings = configurationReference
    .filter(({ name }) => !notSettings.test(name))
    .map(({ name, meaning }) => [
      name,
      name === 'OPERATOR_NAMESPACE'
        ? { type: 'string', pattern: namespaces, description: meaning }
        : { type: ['string', 'integer', 'boolean'], description: meaning },
    ])
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'Values of the chart challenge-operator',
    ...closed(
      {
        image: closed(
          {
            repository: { type: 'string', minLength: 1 },
            tag: text,
            pullPolicy: { enum: ['Always', 'IfNotPresent', 'Never'] },
          },
          ['repository'],
        ),
        imagePullSecrets: { type: 'array', items: closed({ name }, ['name']) },
        replicas: { type: 'integer', minimum: 1, maximum: 10 },
        secretName: { type: 'string', minLength: 1, maxLength: 253 },
        settings: {
          ...closed(Object.fromEntries(settings)),
          // The AWS SDK's own variables, without its keys: they belong into the Secret.
          patternProperties: { [sdkVariables]: text },
        },
        serviceAccount: closed({ annotations: object }),
        resources: object,
        podAnnotations: object,
        nodeSelector: object,
        tolerations: { type: 'array', items: object },
        priorityClassName: text,
        networkPolicy: closed({
          enabled: { type: 'boolean' },
          egressPorts: { type: 'array', items: { type: 'integer', minimum: 1, maximum: 65_535 } },
        }),
        podDisruptionBudget: closed({ enabled: { type: 'boolean' } }),
        monitoring: closed({
          podMonitor: closed({ ...discovered, interval: { type: 'string', pattern: '^[1-9][0-9]*[sm]$' } }),
          prometheusRule: closed(discovered),
        }),
        global: object,
      },
      ['image', 'replicas', 'secretName', 'settings'],
    ),
  }
}

if (import.meta.main) writeFileSync(schemaPath, `${JSON.stringify(chartSchema(), undefined, 2)}\n`)
