import type {
  ChallengeInstance,
  ChallengeInstanceSpec,
  ChallengeInstanceStatus,
  Child,
  Endpoint,
  ExposureStatus,
  Hibernation,
  Phase,
} from '../../../lib/crd/challenge-instance.ts'
import type {
  ChallengeTemplate,
  ChallengeTemplateSpec,
  ChallengeTemplateStatus,
  EgressRule,
  ExposureType,
  FlagStrategy,
  NetworkProfile,
  Placement,
  TemplateContainer,
  TemplateEnvVar,
  TemplatePort,
  TemplateProbe,
} from '../../../lib/crd/challenge-template.ts'
import type { Condition } from '../../../lib/crd/objects.ts'
import { at, instance, type Schema, template } from './crds.ts'

/** Every field of a type, and whether it must be there: tsc fails on one too many, too few or of the other sort. */
type Fields<T> = { [K in keyof Required<T>]: object extends Pick<T, K> ? 'optional' : 'required' }

const container: Fields<TemplateContainer> = {
  image: 'required',
  resources: 'required',
  readinessProbe: 'optional',
  startupSeconds: 'optional',
  command: 'optional',
  args: 'optional',
  env: 'optional',
  writableRootFilesystem: 'optional',
  capabilities: 'optional',
  ephemeralStorage: 'optional',
}
const port: Fields<TemplatePort> = {
  name: 'required',
  port: 'required',
  protocol: 'optional',
  appProtocol: 'optional',
}
const probe: Fields<TemplateProbe> = {
  httpGet: 'optional',
  tcpSocket: 'optional',
  initialDelaySeconds: 'optional',
  periodSeconds: 'optional',
}
const templateSpec: Fields<ChallengeTemplateSpec> = {
  ...container,
  networkProfile: 'optional',
  flagStrategy: 'optional',
  idleTimeoutMinutes: 'optional',
  envSchema: 'optional',
  ports: 'optional',
  exposure: 'optional',
  egressAllowlist: 'optional',
  ttlMinutes: 'optional',
  maxTtlMinutes: 'optional',
  availableFrom: 'optional',
  availableUntil: 'optional',
  updateStrategy: 'optional',
  podSecurity: 'optional',
  placement: 'optional',
  runtimeClassName: 'optional',
  imagePullSecrets: 'optional',
  maxInstances: 'optional',
  containers: 'optional',
}
const status: Fields<ChallengeInstanceStatus> = {
  phase: 'optional',
  url: 'optional',
  namespace: 'optional',
  message: 'optional',
  podName: 'optional',
  cpuMillicores: 'optional',
  memMb: 'optional',
  reason: 'optional',
  observedGeneration: 'optional',
  conditions: 'optional',
  expiresAt: 'optional',
  creditMinutes: 'optional',
  warnedOf: 'optional',
  eventSequence: 'optional',
  lastActivityAt: 'optional',
  hibernation: 'optional',
  template: 'optional',
  configuration: 'optional',
  availableFrom: 'optional',
  adopting: 'optional',
  phaseChanges: 'optional',
  handledSync: 'optional',
  exposure: 'optional',
  endpoints: 'optional',
  children: 'optional',
}

type Further = NonNullable<ChallengeTemplateSpec['containers']>[number]

export const tables: [where: string, schema: Schema, fields: Record<string, 'required' | 'optional'>][] = [
  ['spec of a template', at(template, 'spec'), templateSpec],
  [
    'resources',
    at(template, 'spec.resources'),
    { cpu: 'required', memory: 'required' } satisfies Fields<TemplateContainer['resources']>,
  ],
  [
    'flagStrategy',
    at(template, 'spec.flagStrategy'),
    {
      type: 'required',
      envName: 'optional',
      format: 'optional',
      secretRef: 'optional',
    } satisfies Fields<FlagStrategy>,
  ],
  [
    'secretRef',
    at(template, 'spec.flagStrategy.secretRef'),
    { name: 'required', key: 'required' } satisfies Fields<NonNullable<FlagStrategy['secretRef']>>,
  ],
  ['readinessProbe', at(template, 'spec.readinessProbe'), probe],
  [
    'httpGet',
    at(template, 'spec.readinessProbe.httpGet'),
    { path: 'required', port: 'required' } satisfies Fields<NonNullable<TemplateProbe['httpGet']>>,
  ],
  [
    'tcpSocket',
    at(template, 'spec.readinessProbe.tcpSocket'),
    { port: 'required' } satisfies Fields<NonNullable<TemplateProbe['tcpSocket']>>,
  ],
  ['ports', at(template, 'spec.ports[]'), port],
  [
    'exposure',
    at(template, 'spec.exposure'),
    {
      type: 'optional',
      port: 'optional',
      host: 'optional',
      required: 'optional',
      annotations: 'optional',
    } satisfies Fields<NonNullable<ChallengeTemplateSpec['exposure']>>,
  ],
  [
    'egressAllowlist',
    at(template, 'spec.egressAllowlist[]'),
    { cidr: 'required', except: 'optional', ports: 'optional' } satisfies Fields<EgressRule>,
  ],
  [
    'ports of it',
    at(template, 'spec.egressAllowlist[].ports[]'),
    { port: 'required', protocol: 'optional' } satisfies Fields<NonNullable<EgressRule['ports']>[number]>,
  ],
  [
    'env',
    at(template, 'spec.env[]'),
    { name: 'required', value: 'required' } satisfies Fields<TemplateEnvVar>,
  ],
  [
    'containers',
    at(template, 'spec.containers[]'),
    { ...container, name: 'required', ports: 'optional' } satisfies Fields<Further>,
  ],
  ['ports of a further container', at(template, 'spec.containers[].ports[]'), port],
  ['probe of a further container', at(template, 'spec.containers[].readinessProbe'), probe],
  [
    'spec of an instance',
    at(instance, 'spec'),
    {
      templateRef: 'required',
      owner: 'required',
      annotations: 'optional',
      env: 'optional',
      expiresAt: 'optional',
      suspend: 'optional',
      restartedAt: 'optional',
    } satisfies Fields<ChallengeInstanceSpec>,
  ],
  [
    'owner',
    at(instance, 'spec.owner'),
    { teamId: 'required', eventId: 'required' } satisfies Fields<ChallengeInstanceSpec['owner']>,
  ],
  ['status', at(instance, 'status'), status],
  [
    'conditions',
    at(instance, 'status.conditions[]'),
    {
      type: 'required',
      status: 'required',
      reason: 'required',
      message: 'required',
      lastTransitionTime: 'required',
      observedGeneration: 'optional',
    } satisfies Fields<Condition>,
  ],
  [
    'template of a status',
    at(instance, 'status.template'),
    {
      uid: 'required',
      generation: 'required',
      hash: 'required',
      revision: 'optional',
      served: 'optional',
      flagVersion: 'optional',
    } satisfies Fields<NonNullable<ChallengeInstanceStatus['template']>>,
  ],
  [
    'exposure of a status',
    at(instance, 'status.exposure'),
    {
      type: 'required',
      host: 'optional',
      state: 'optional',
      awaited: 'optional',
    } satisfies Fields<ExposureStatus>,
  ],
  [
    'endpoints',
    at(instance, 'status.endpoints[]'),
    {
      name: 'required',
      protocol: 'required',
      host: 'required',
      port: 'required',
      url: 'optional',
    } satisfies Fields<Endpoint>,
  ],
  [
    'children',
    at(instance, 'status.children[]'),
    {
      apiVersion: 'required',
      kind: 'required',
      namespace: 'required',
      name: 'required',
      version: 'required',
      hash: 'required',
      repairs: 'optional',
    } satisfies Fields<Child>,
  ],
  [
    'repairs of a child',
    at(instance, 'status.children[].repairs'),
    { count: 'required', at: 'required' } satisfies Fields<NonNullable<Child['repairs']>>,
  ],
  [
    'phaseChanges',
    at(instance, 'status.phaseChanges'),
    { count: 'required', since: 'required' } satisfies Fields<
      NonNullable<ChallengeInstanceStatus['phaseChanges']>
    >,
  ],
  [
    'hibernation',
    at(instance, 'status.hibernation'),
    { reason: 'required', since: 'required' } satisfies Fields<Hibernation>,
  ],
  [
    'a template, whole',
    template.schema,
    {
      apiVersion: 'optional',
      kind: 'optional',
      metadata: 'optional',
      spec: 'required',
      status: 'optional',
    } satisfies Record<keyof ChallengeTemplate, 'optional' | 'required'>,
  ],
  [
    'status of a template',
    at(template, 'status'),
    { message: 'optional' } satisfies Fields<ChallengeTemplateStatus>,
  ],
  [
    'an instance, whole',
    instance.schema,
    {
      apiVersion: 'optional',
      kind: 'optional',
      metadata: 'optional',
      spec: 'required',
      status: 'optional',
    } satisfies Record<keyof ChallengeInstance, 'optional' | 'required'>,
  ],
]

/** The members of a union, each once. */
export const unions: [where: string, schema: Schema, members: Record<string, true>][] = [
  [
    'networkProfile',
    at(template, 'spec.networkProfile'),
    { 'isolated-egress-dns-only': true, 'egress-allowlist': true, open: true } satisfies Record<
      NetworkProfile,
      true
    >,
  ],
  [
    'placement',
    at(template, 'spec.placement'),
    { Shared: true, Event: true, Instance: true } satisfies Record<Placement, true>,
  ],
  [
    'exposure.type',
    at(template, 'spec.exposure.type'),
    {
      None: true,
      Ingress: true,
      HTTPRoute: true,
      TLSRoute: true,
      NodePort: true,
      LoadBalancer: true,
    } satisfies Record<ExposureType, true>,
  ],
  [
    'flagStrategy.type',
    at(template, 'spec.flagStrategy.type'),
    { 'hmac-per-instance': true, static: true } satisfies Record<FlagStrategy['type'], true>,
  ],
  [
    'protocol',
    at(template, 'spec.ports[].protocol'),
    { TCP: true, UDP: true } satisfies Record<NonNullable<TemplatePort['protocol']>, true>,
  ],
  [
    'appProtocol',
    at(template, 'spec.ports[].appProtocol'),
    { http: true, tcp: true, tls: true } satisfies Record<NonNullable<TemplatePort['appProtocol']>, true>,
  ],
  [
    'updateStrategy',
    at(template, 'spec.updateStrategy'),
    { Roll: true, Keep: true } satisfies Record<NonNullable<ChallengeTemplateSpec['updateStrategy']>, true>,
  ],
  [
    'podSecurity',
    at(template, 'spec.podSecurity'),
    { hardened: true, restricted: true } satisfies Record<
      NonNullable<ChallengeTemplateSpec['podSecurity']>,
      true
    >,
  ],
  [
    'phase',
    at(instance, 'status.phase'),
    {
      Pending: true,
      Provisioning: true,
      Ready: true,
      Idle: true,
      Failed: true,
      Terminating: true,
    } satisfies Record<Phase, true>,
  ],
  [
    'condition.status',
    at(instance, 'status.conditions[].status'),
    { True: true, False: true, Unknown: true } satisfies Record<Condition['status'], true>,
  ],
]
