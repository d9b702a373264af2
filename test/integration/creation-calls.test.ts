import { afterAll, beforeAll, describe, expect, it, test } from 'vitest'
import type { ChallengeInstance } from '../../lib/crd/challenge-instance.ts'
import type { Placement } from '../../lib/crd/challenge-template.ts'
import { finalizer } from '../../lib/crd/group.ts'
import type { KubernetesClient } from '../../lib/kubernetes/client/http.ts'
import { create } from '../support/edits.ts'
import { instanceOf, templateOf } from '../support/objects.ts'
import { eventually, phaseOf, startTestOperator, type TestOperator } from '../support/operator.ts'

let operator: TestOperator

/** The calls of reconcile, oldest first. */
const calls: { method: string; path: string }[] = []

function counted(functionName: string, inner: KubernetesClient): KubernetesClient {
  if (functionName !== 'reconcile') return inner
  return {
    ...inner,
    request(method, path, request, signal) {
      calls.push({ method, path })
      return inner.request(method, path, request, signal)
    },
  }
}

beforeAll(async () => {
  operator = await startTestOperator({
    client: counted,
    challenges: ['shared', 'event', 'instance'],
    teams: [1, 2, 3, 4],
    env: {
      OPERATOR_PLACEMENTS: 'Shared,Event,Instance',
      OPERATOR_NAMESPACE_PREFIX: `c${Date.now().toString(36)}-`,
      // No resync makes a pass of its own.
      OPERATOR_RESYNC_MINUTES: '1440',
    },
  })
})
afterAll(() => operator?.stop())

/** Method and resource, with a subresource: `PUT challengeinstances/status`. */
function described({ method, path }: { method: string; path: string }): string {
  const parts = path.replace(/^\/(api\/v1|apis\/[^/]+\/[^/]+)\//, '').split('/')
  const [resource, , subresource] = parts[0] === 'namespaces' && parts.length > 2 ? parts.slice(2) : parts
  return `${method} ${resource}${subresource === undefined ? '' : `/${subresource}`}`
}

/**
 * Calls that belong to no creation. A process reads the organiser's clock at most once in some seconds, for any number of
 * instances. A Kubernetes Event follows the status that says Ready, and may be that of the instance before.
 */
const aside: readonly string[] = ['GET configmaps', 'POST events']

/** Creates an instance, and returns the calls of reconcile until its status is there. Nothing else happens meanwhile. */
async function callsUntilStatus(name: string, template: string, finalizers: string[]): Promise<string[]> {
  const { metadata, ...rest } = instanceOf(operator.namespace, name, template, Number(name.at(-1)))
  const from = calls.length
  await create(operator, { ...rest, metadata: { ...metadata, finalizers } })
  await eventually<ChallengeInstance>(operator, 'ChallengeInstance', name, each => {
    const { observedGeneration, children = [] } = each?.status ?? {}
    return observedGeneration === each?.metadata.generation && children.length === 3
  })
  const own = calls.slice(from)
  const last = own.findIndex(({ method, path }) => method === 'PUT' && path.endsWith(`/${name}/status`))
  // The passes that follow the pod end here, so that they are not counted for the next instance.
  await phaseOf(operator, name, 'Ready')
  const untilStatus = own.slice(0, last + 1).map(described)
  return untilStatus.filter(call => !aside.includes(call)).toSorted()
}

const ofChildren = [
  'GET challengeinstances',
  'GET challengetemplates',
  'POST deployments',
  'POST secrets',
  'POST services',
  'PUT challengeinstances/status',
]
const ofOwnNamespace = [
  'POST limitranges',
  'POST namespaces',
  // The default-deny policy, and the one that follows from the template.
  'POST networkpolicies',
  'POST networkpolicies',
]
const ofFinalizer = 'PATCH challengeinstances'

describe.each<{ placement: Placement; expected: string[]; most: number }>([
  { placement: 'Shared', expected: ofChildren, most: 6 },
  { placement: 'Event', expected: ofChildren, most: 6 },
  { placement: 'Instance', expected: [...ofChildren, ...ofOwnNamespace], most: 12 },
])('an instance with the placement $placement', ({ placement, expected, most }) => {
  const template = placement.toLowerCase()

  // The first instance makes what a namespace and a template have once.
  beforeAll(async () => {
    const flagStrategy = { type: 'hmac-per-instance' } as const
    await create(operator, templateOf(operator.namespace, template, { placement, flagStrategy }))
    await callsUntilStatus(`${template}-1`, template, [finalizer])
  })

  it('costs the calls that its objects need, until children and status are there', async () => {
    const made = await callsUntilStatus(`${template}-2`, template, [finalizer])
    expect(made).toEqual(expected.toSorted())
    expect(made.length).toBeLessThanOrEqual(most)
  })

  it('costs one call more if it is created without the finalizer', async () => {
    const made = await callsUntilStatus(`${template}-3`, template, [])
    expect(made).toEqual([...expected, ofFinalizer].toSorted())
  })
})

test('the end of an instance costs one read of its template and the deletion, until its mark is there', async () => {
  const name = 'ends-4'
  const expiresAt = new Date(Date.now() + 8_000).toISOString()
  const from = calls.length
  await create(operator, instanceOf(operator.namespace, name, 'shared', 4, { expiresAt }))
  await eventually<ChallengeInstance>(
    operator,
    'ChallengeInstance',
    name,
    each => each === undefined || each.metadata.deletionTimestamp !== undefined,
  )
  const own = calls.slice(from).map(described)
  const untilMark = own.slice(0, own.indexOf('DELETE challengeinstances') + 1)
  // The last status says when the instance ends. The pass that ends it comes after.
  const ofEnd = untilMark.slice(untilMark.lastIndexOf('PUT challengeinstances/status') + 1)
  expect(ofEnd.filter(call => !aside.includes(call))).toEqual([
    'GET challengetemplates',
    'DELETE challengeinstances',
  ])
})
