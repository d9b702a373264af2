import { waitUntil } from '../process/wait.ts'
import type { Api } from './api.ts'

/** Several nodes: the scheduler copies its data of a node for every pod that is placed there. */
const count = 5
/** All nodes together take 20,000 pods of a challenge's size. A larger request is Unschedulable, as on a real node. */
const capacity = { cpu: '1000', memory: '4Ti', 'ephemeral-storage': '16Ti', pods: '4000' }
const readyMs = 30_000

const leases = '/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases'

/** Deletes the leases of an earlier kwok, because a new one does not manage a node before its lease of 40 s ends. */
export async function forgetLeases(api: Api, signal: AbortSignal): Promise<void> {
  await api.call('DELETE', leases, undefined, signal)
}

/** Creates the nodes that are missing. Waits until all are Ready and kwok holds their leases. */
export async function ensureNodes(api: Api, signal: AbortSignal): Promise<void> {
  const names = Array.from({ length: count }, (_, index) => `kwok-${index}`)
  await Promise.all(names.map(name => ensureNode(api, name, signal)))
  const allHeld = async () => {
    const nodes = await list<Node>(api, '/api/v1/nodes', signal)
    const held = await list(api, leases, signal)
    return nodes.filter(isReady).length >= count && held.length >= count
  }
  await waitUntil(`readiness of ${count} simulated nodes`, readyMs, allHeld, signal)
}

async function list<T>(api: Api, path: string, signal: AbortSignal): Promise<T[]> {
  const { body } = await api.call('GET', path, undefined, signal)
  return (JSON.parse(body) as { items?: T[] }).items ?? []
}

interface Node {
  spec?: { taints?: Array<{ key: string }> }
  status?: { conditions?: Array<{ type: string; status: string }> }
}

async function ensureNode(api: Api, name: string, signal: AbortSignal): Promise<void> {
  const node = {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name,
      annotations: { 'kwok.x-k8s.io/node': 'fake' },
      labels: { 'kubernetes.io/hostname': name, 'kubernetes.io/os': 'linux', 'kubernetes.io/arch': 'amd64' },
    },
    status: { capacity, allocatable: capacity },
  }
  const { status, body } = await api.call('POST', '/api/v1/nodes', node, signal)
  if (status !== 201 && status !== 409) throw new Error(`node ${name} was refused (${status}): ${body}`)
}

/** A node that has just become Ready keeps its not-ready taint until the controller-manager removes it. */
function isReady(node: Node): boolean {
  const ready = node.status?.conditions?.some(each => each.type === 'Ready' && each.status === 'True')
  const tainted = node.spec?.taints?.some(taint => taint.key.startsWith('node.kubernetes.io/'))
  return ready === true && tainted !== true
}
