import type { ChallengeTemplateSpec } from '../../crd/challenge-template.ts'
import { declaredPorts } from '../ports.ts'

/** An IANA service name, which Kubernetes requires as the name of a container's port. */
const portName = /^(?=.{1,15}$)(?=.*[a-z])(?!.*--)[a-z0-9]([-a-z0-9]*[a-z0-9])?$/

const containerName = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/

/** The problems that the containers of a pod have together, since they share one address. */
export function podProblems(spec: ChallengeTemplateSpec): string[] {
  return [...portProblems(spec), ...containerNameProblems(spec)]
}

function portProblems(spec: ChallengeTemplateSpec): string[] {
  if (spec.ports?.length === 0)
    return ['ports is empty; leave it out for one http port 8080, or write at least one']
  const ports = declaredPorts(spec)
  const badName = ports.find(({ name }) => !portName.test(name))
  const badNumber = ports.find(({ port }) => !Number.isInteger(port) || port < 1 || port > 65_535)
  const sameName = duplicate(ports.map(({ name }) => name))
  const samePort = duplicate(ports.map(({ port, protocol }) => `${port}/${protocol}`))
  return [
    ...(badName
      ? [`ports has the name ${JSON.stringify(badName.name)}; write up to 15 of a-z, 0-9 and single dashes`]
      : []),
    ...(badNumber ? [`ports has the number ${badNumber.port}; write one from 1 to 65535`] : []),
    ...(sameName ? [`ports has the name "${sameName}" twice; every port of a pod needs its own`] : []),
    ...(samePort
      ? [`ports has ${samePort} twice; the containers of a pod share one address, so write another number`]
      : []),
  ]
}

function containerNameProblems({ containers = [] }: ChallengeTemplateSpec): string[] {
  const names = containers.map(each => each.name)
  const bad = names.find(name => !containerName.test(name))
  const twice = duplicate(names)
  return [
    ...(bad === undefined
      ? []
      : [
          `containers has the name ${JSON.stringify(bad.slice(0, 63))}; write up to 63 of a-z, 0-9 and dashes`,
        ]),
    ...(twice ? [`containers has the name "${twice}" twice; every container needs its own`] : []),
  ]
}

function duplicate(values: readonly string[]): string | undefined {
  return values.find((value, index) => values.indexOf(value) !== index)
}
