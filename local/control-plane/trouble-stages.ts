import { type Frame, troubleHost, troubles } from './trouble.ts'

/** The text of a file with kwok's Stages, one for each frame of each trouble. JSON documents are valid YAML. */
export function troubleStages(): string {
  const stages = Object.entries(troubles).flatMap(([name, frames]) => frames.map(frame => stage(name, frame)))
  return stages.map(each => JSON.stringify(each)).join('\n---\n')
}

/** jq: the images without their tags. */
const images = '.spec.containers.[].image | split(":")[0]'
/** jq: `running`, or the reason for which the troubled container is waiting or terminated. */
const before =
  `.status.containerStatuses.[]? | select(.image | startswith("${troubleHost}/")) | .state ` +
  '| to_entries[0] | .value.reason // .key'

function stage(name: string, frame: Frame) {
  const follows =
    frame.after === undefined
      ? { key: before, operator: 'DoesNotExist' }
      : { key: before, operator: 'In', values: [frame.after] }
  return {
    apiVersion: 'kwok.x-k8s.io/v1alpha1',
    kind: 'Stage',
    metadata: { name: `trouble-${name}-after-${(frame.after ?? 'creation').toLowerCase()}` },
    spec: {
      resourceRef: { apiGroup: 'v1', kind: 'Pod' },
      selector: {
        matchExpressions: [
          { key: images, operator: 'In', values: [`${troubleHost}/${name}`] },
          { key: '.metadata.deletionTimestamp', operator: 'DoesNotExist' },
          { key: '.status.phase', operator: 'NotIn', values: ['Failed', 'Succeeded'] },
          follows,
        ],
      },
      delay: { durationMilliseconds: frame.delayMs },
      next: { statusTemplate: status(frame) },
    },
  }
}

/** A Go template over the pod. Containers of other images run well. The order is that of the spec, as with a kubelet. */
function status(frame: Frame): string {
  const ready = frame.ready ? '"True"' : '"False", reason: ContainersNotReady'
  const started = '(or .status.startTime $now)'
  return `{{ $now := Now }}{{ $pod := . }}
conditions:
- { type: PodReadyToStartContainers, status: "True", lastTransitionTime: {{ ${started} | Quote }} }
- { type: Initialized, status: "True", lastTransitionTime: {{ ${started} | Quote }} }
- { type: Ready, status: ${ready}, lastTransitionTime: {{ $now | Quote }} }
- { type: ContainersReady, status: ${ready}, lastTransitionTime: {{ $now | Quote }} }
containerStatuses:
{{ range $index, $container := .spec.containers }}
{{ $old := dict }}{{ with $pod.status.containerStatuses }}{{ $old = index . $index }}{{ end }}
- name: {{ $container.name | Quote }}
  image: {{ $container.image | Quote }}
  imageID: ""
{{ if hasPrefix "${troubleHost}/" $container.image }}
  ready: ${frame.ready ?? false}
  started: ${frame.ready ?? false}
  restartCount: {{ add (or $old.restartCount 0) ${frame.restarts ? 1 : 0} }}
  state: ${state(frame)}
${lastState(frame)}
{{ else }}
  ready: ${frame.phase === 'Running'}
  started: ${frame.phase === 'Running'}
  restartCount: 0
  state: ${frame.phase === 'Running' ? stillRunning : '{ waiting: { reason: ContainerCreating } }'}
{{ end }}
{{ end }}
hostIP: {{ NodeIPWith .spec.nodeName | Quote }}
{{ $address := or .status.podIP (PodIPWith .spec.nodeName false .metadata.uid .metadata.name .metadata.namespace) }}
podIP: {{ $address | Quote }}
podIPs: [ { ip: {{ $address | Quote }} } ]
phase: ${frame.phase}
startTime: {{ ${started} | Quote }}
${frame.pod === undefined ? '' : `reason: ${frame.pod.reason}\nmessage: ${JSON.stringify(frame.pod.message)}`}
`
}

const runningState = '{ running: { startedAt: {{ $now | Quote }} } }'
const stillRunning = `{{ if hasKey (or $old.state dict) "running" }}{{ $old.state | toJson }}{{ else }}${runningState}{{ end }}`

function state(frame: Frame): string {
  if ('running' in frame.state) return runningState
  if ('waiting' in frame.state) return JSON.stringify(frame.state)
  return `{ terminated: ${ended(frame.state.terminated)} }`
}

function lastState(frame: Frame): string {
  if (frame.lastEnd !== undefined) return `  lastState: { terminated: ${ended(frame.lastEnd)} }`
  return '  lastState: {{ or $old.lastState dict | toJson }}'
}

function ended(end: object): string {
  const fields = JSON.stringify(end).slice(1, -1)
  return `{ ${fields}, startedAt: {{ $now | Quote }}, finishedAt: {{ $now | Quote }} }`
}
