import type { Named, ObjectMeta } from './objects.ts'

export type NetworkProfile = 'isolated-egress-dns-only' | 'egress-allowlist' | 'open'
export type Placement = 'Shared' | 'Event' | 'Instance'
export type ExposureType = 'None' | 'Ingress' | 'HTTPRoute' | 'TLSRoute' | 'NodePort' | 'LoadBalancer'

export interface TemplatePort {
  name: string
  port: number
  protocol?: 'TCP' | 'UDP'
  appProtocol?: 'http' | 'tcp' | 'tls'
}

export interface TemplateProbe {
  httpGet?: { path: string; port: number | string }
  tcpSocket?: { port: number | string }
  initialDelaySeconds?: number
  periodSeconds?: number
}

export interface TemplateEnvVar {
  name: string
  value: string
}

/** The fields of the first container and of every further one. */
export interface TemplateContainer {
  image: string
  resources: { cpu: string | number; memory: string | number }
  readinessProbe?: TemplateProbe
  /** Seconds that a start may take; undefined: no startup probe. */
  startupSeconds?: number
  command?: string[]
  args?: string[]
  env?: TemplateEnvVar[]
  writableRootFilesystem?: boolean
  capabilities?: string[]
  ephemeralStorage?: string | number
}

export interface FlagStrategy {
  type: 'hmac-per-instance' | 'static'
  envName?: string
  format?: string
  secretRef?: { name: string; key: string }
}

export interface EgressRule {
  cidr: string
  except?: string[]
  ports?: { port: number; protocol?: 'TCP' | 'UDP' }[]
}

export interface ChallengeTemplateSpec extends TemplateContainer {
  networkProfile?: NetworkProfile
  flagStrategy?: FlagStrategy
  idleTimeoutMinutes?: number
  /** A JSON Schema for the `spec.env` of instances. */
  envSchema?: Record<string, unknown>
  ports?: TemplatePort[]
  exposure?: {
    type?: ExposureType
    port?: number | string
    host?: string
    /** Whether the first Ready waits until players reach the instance; undefined: it does. */
    required?: boolean
    annotations?: Record<string, string>
  }
  egressAllowlist?: EgressRule[]
  ttlMinutes?: number
  maxTtlMinutes?: number
  availableFrom?: string
  availableUntil?: string
  updateStrategy?: 'Roll' | 'Keep'
  podSecurity?: 'hardened' | 'restricted'
  placement?: Placement
  runtimeClassName?: string
  imagePullSecrets?: string[]
  maxInstances?: number
  containers?: (TemplateContainer & { name: string; ports?: TemplatePort[] })[]
}

export interface ChallengeTemplateStatus {
  /** What the operator makes of the template and does not follow from its text. */
  message?: string
}

export interface ChallengeTemplate {
  apiVersion: string
  kind: 'ChallengeTemplate'
  metadata: ObjectMeta
  spec: ChallengeTemplateSpec
  status?: ChallengeTemplateStatus
}

/** A template that was stored at some time: it exists, or a revision keeps it. */
export type KnownTemplate = Named<ChallengeTemplate> & { metadata: { uid: string } }
