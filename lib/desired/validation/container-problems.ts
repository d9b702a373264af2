import type { ChallengeTemplateSpec, TemplateContainer } from '../../crd/challenge-template.ts'
import { probePort } from '../objects/probe.ts'
import { type DeclaredPort, firstPorts, withProtocol } from '../ports.ts'
import { cpuMillicores, memoryMebibytes } from '../quantity.ts'
import { isVariableName } from '../variable-name.ts'

/** The capabilities that the Pod Security standard `baseline` lets a container add. */
const baselineCapabilities = [
  'AUDIT_WRITE',
  'CHOWN',
  'DAC_OVERRIDE',
  'FOWNER',
  'FSETID',
  'KILL',
  'MKNOD',
  'NET_BIND_SERVICE',
  'SETFCAP',
  'SETGID',
  'SETPCAP',
  'SETUID',
  'SYS_CHROOT',
]

/** The capabilities that `restricted` lets a container add. */
const restrictedCapabilities = ['NET_BIND_SERVICE']

/** The problems of each container on its own, each with what to write instead. */
export function containerProblems(spec: ChallengeTemplateSpec): string[] {
  const capabilities = spec.podSecurity === 'restricted' ? restrictedCapabilities : baselineCapabilities
  const further = spec.containers ?? []
  return [
    ...containerProblemsAt('', spec, firstPorts(spec), capabilities),
    ...further.flatMap((each, index) =>
      containerProblemsAt(`containers[${index}].`, each, (each.ports ?? []).map(withProtocol), capabilities),
    ),
  ]
}

function containerProblemsAt(
  path: string,
  from: TemplateContainer,
  ports: readonly DeclaredPort[],
  allowed: readonly string[],
): string[] {
  return [
    ...(from.image?.trim() ? [] : [`${path}image is empty; write the name of an image`]),
    ...resourceProblems(path, from),
    ...probeProblems(path, from, ports),
    ...capabilityProblems(path, from, allowed),
    ...envProblems(path, from),
  ]
}

function resourceProblems(path: string, { resources, ephemeralStorage }: TemplateContainer): string[] {
  const checked: [string, number | string][] = [
    ['resources.cpu', cpuMillicores(resources?.cpu ?? '')],
    ['resources.memory', memoryMebibytes(resources?.memory ?? '')],
    ['ephemeralStorage', ephemeralStorage === undefined ? 1 : memoryMebibytes(ephemeralStorage)],
  ]
  return checked.flatMap(([field, result]) =>
    typeof result === 'string' ? [`${path}${field} ${result}`] : [],
  )
}

function probeProblems(
  path: string,
  { readinessProbe: probe }: TemplateContainer,
  ports: readonly DeclaredPort[],
): string[] {
  if (probe?.httpGet && probe.tcpSocket)
    return [`${path}readinessProbe has both httpGet and tcpSocket; write one of them`]
  const target = probe?.httpGet?.port ?? probe?.tcpSocket?.port
  if (target === undefined) return []
  const port = probePort(target)
  const known =
    typeof port === 'number'
      ? Number.isInteger(port) && port >= 1 && port <= 65_535
      : ports.some(each => each.name === port && each.protocol === 'TCP')
  return known
    ? []
    : [
        `${path}readinessProbe has port ${JSON.stringify(target)}; write a number or the name of a TCP port of it`,
      ]
}

function capabilityProblems(
  path: string,
  { capabilities = [] }: TemplateContainer,
  allowed: readonly string[],
): string[] {
  const refused = capabilities.filter(each => !allowed.includes(each))
  return refused.length === 0
    ? []
    : [`${path}capabilities has ${refused.slice(0, 5).join(', ')}; write only ${allowed.join(', ')}`]
}

function envProblems(path: string, { env = [] }: TemplateContainer): string[] {
  const names = env.map(each => each.name)
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  const bad = names.find(name => !isVariableName(name))
  return [
    ...(twice === undefined ? [] : [`${path}env has ${JSON.stringify(twice)} twice; keep one of them`]),
    ...(bad === undefined
      ? []
      : [`${path}env has the name ${JSON.stringify(bad.slice(0, 60))}; write letters, digits and _`]),
  ]
}
