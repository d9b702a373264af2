import type { Kind } from './objects.ts'

/** A kind of objects that the operator creates for an instance, with everything that depends on the kind. */
export interface ChildKind extends Kind {
  /** Whether the forwarder watches the kind, whole. If it does not, the sweep verifies it instead. */
  readonly watch: 'whole' | 'never'
  /**
   * What the sweep, and a pass that verifies some children only, read of the object to compare it with its record.
   * `metadata` is much cheaper, and suffices if a generation or resourceVersion shows every change.
   */
  readonly compare: 'whole' | 'metadata'
  /** Children are applied wave by wave; a wave starts after every child of the one before it is applied. */
  readonly applyWave: number
  /** Children are removed wave by wave in a teardown. */
  readonly removeWave: number
  /** `Foreground`: the object stays until its dependents are gone, and the next wave waits for it. */
  readonly propagation: 'Foreground' | 'Background'
  /**
   * When a pass compares the object with its record. `every pass`: the whole object is read, since its status is
   * reported. `some passes`: by a pass whose cause asks for it (`verifiesChildren`).
   */
  readonly verify: 'every pass' | 'some passes'
  /** Players from outside of the cluster reach an instance by it. An instance has at most one of these kinds. */
  readonly exposes?: true
  /**
   * The API versions in which a cluster may serve the kind, the preferred one first. Undefined: every cluster serves the
   * kind. A kind that a cluster does not serve has no objects there.
   */
  readonly servedAs?: readonly string[]
}

/** The API versions of the optional kinds that a cluster serves, by kind. */
export type ServedKinds = ReadonlyMap<string, string>

const gatewayApi = 'gateway.networking.k8s.io'

/**
 * The kinds of children. A new one also needs a builder in `lib/desired`, a type in `objects.ts`, a path in
 * `lib/kubernetes/client/paths.ts` and rights in the roles of `manifests/rbac`. The unit tests name what is missing.
 *
 * The Deployment is applied after the others, because a pod must find its Secret and its policy. It is removed first and in
 * the foreground, so that its pods are gone before the policy that isolates them. What exposes an instance is applied
 * last, since its failure keeps no pod from starting.
 */
export const childKinds = [
  {
    apiVersion: 'v1',
    kind: 'Secret',
    // Metadata can leak a value, and the right to watch is the right to read the values.
    watch: 'never',
    compare: 'metadata',
    applyWave: 1,
    removeWave: 2,
    propagation: 'Background',
    verify: 'some passes',
  },
  {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    watch: 'whole',
    compare: 'whole',
    applyWave: 1,
    removeWave: 3,
    propagation: 'Background',
    verify: 'some passes',
  },
  {
    apiVersion: 'v1',
    kind: 'Service',
    watch: 'whole',
    compare: 'whole',
    applyWave: 1,
    removeWave: 2,
    propagation: 'Background',
    verify: 'some passes',
  },
  {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'Ingress',
    watch: 'whole',
    compare: 'whole',
    applyWave: 3,
    removeWave: 1,
    propagation: 'Background',
    verify: 'some passes',
    exposes: true,
  },
  {
    apiVersion: `${gatewayApi}/v1`,
    kind: 'HTTPRoute',
    watch: 'whole',
    compare: 'whole',
    applyWave: 3,
    removeWave: 1,
    propagation: 'Background',
    verify: 'some passes',
    exposes: true,
    servedAs: [`${gatewayApi}/v1`],
  },
  {
    apiVersion: `${gatewayApi}/v1`,
    kind: 'TLSRoute',
    watch: 'whole',
    compare: 'whole',
    applyWave: 3,
    removeWave: 1,
    propagation: 'Background',
    verify: 'some passes',
    exposes: true,
    servedAs: [`${gatewayApi}/v1`, `${gatewayApi}/v1alpha3`, `${gatewayApi}/v1alpha2`],
  },
  {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    watch: 'whole',
    compare: 'metadata',
    applyWave: 2,
    removeWave: 1,
    propagation: 'Foreground',
    verify: 'every pass',
  },
] as const satisfies readonly ChildKind[]

/**
 * The kinds that a Deployment makes. They go with the Deployment, except where a user has deleted it without them
 * (`kubectl delete --cascade=orphan`).
 */
export const dependentKinds = [
  { apiVersion: 'apps/v1', kind: 'ReplicaSet' },
  { apiVersion: 'v1', kind: 'Pod' },
] as const satisfies readonly Kind[]

/** The parent of routes. Its owner makes it; the operator only reads it. */
export const gatewayKind = { apiVersion: `${gatewayApi}/v1`, kind: 'Gateway' } as const satisfies Kind

/** The kinds that a cluster may lack. */
export const optionalKinds: readonly { kind: string; servedAs: readonly string[] }[] = [
  ...(childKinds as readonly ChildKind[]).flatMap(({ kind, servedAs }) =>
    servedAs ? [{ kind, servedAs }] : [],
  ),
  { kind: gatewayKind.kind, servedAs: [gatewayKind.apiVersion] },
]

/** The kinds of children of an instance that is not exposed. */
export const insideKinds: readonly ChildKind[] = (childKinds as readonly ChildKind[]).filter(
  ({ exposes }) => !exposes,
)

/** Whether a cluster may lack the kind. */
export function isOptionalKind({ kind }: { kind: string }): boolean {
  return optionalKinds.some(each => each.kind === kind)
}

/** The kinds of children that a cluster serves, each in the version in which it does. */
export function servedChildKinds(served: ServedKinds): ChildKind[] {
  return (childKinds as readonly ChildKind[]).flatMap(kind => {
    if (kind.servedAs === undefined) return [kind]
    const apiVersion = served.get(kind.kind)
    return apiVersion === undefined ? [] : [{ ...kind, apiVersion }]
  })
}

export type ChildKindName = (typeof childKinds)[number]['kind']

/** Whether players reach an instance by an object of this kind. A Service may be one, too: its name tells. */
export function isExposingKind(child: { kind: string }): boolean {
  return kindOf(child)?.exposes === true
}

export function isWorkload(child: { kind: string }): boolean {
  return kindOf(child)?.verify === 'every pass'
}

/** Whether a child is of a kind that a Deployment makes. */
export function isDependent(child: { kind: string }): boolean {
  return dependentKinds.some(({ kind }) => kind === child.kind)
}

/** Whether the forwarder sees every change of a child. Another kind may be one of another release. */
export function isWatchedKind(child: { kind: string }): boolean {
  return kindOf(child)?.watch === 'whole'
}

/** Whether the metadata of a child suffice to compare it with its record. */
export function comparesMetadata(child: { kind: string }): boolean {
  return kindOf(child)?.compare === 'metadata'
}

/** Groups objects to apply into waves, first wave first. @throws Error for a kind that is not in the table */
export function applyWaves<T>(items: readonly T[], kindNameOf: (item: T) => string): T[][] {
  return inWaves(items, item => {
    const kind = kindOf({ kind: kindNameOf(item) })
    if (kind === undefined) throw new Error(`${kindNameOf(item)} is no kind of children (child-kinds.ts)`)
    return kind.applyWave
  })
}

/** Groups recorded children into the waves of a teardown, first wave first. */
export function removeWaves<T extends { kind: string }>(children: readonly T[]): T[][] {
  return inWaves(children, child => removalOf(child).removeWave)
}

/**
 * Returns how a child is removed. What a Deployment makes is removed like the Deployment. A kind that is not in the table was recorded by another version of the operator, and is
 * removed between workload and policy.
 */
export function removalOf(child: { kind: string }): Pick<ChildKind, 'removeWave' | 'propagation'> {
  if (isDependent(child)) return { removeWave: 1, propagation: 'Foreground' }
  return kindOf(child) ?? { removeWave: 2, propagation: 'Background' }
}

function kindOf({ kind }: { kind: string }): ChildKind | undefined {
  return childKinds.find(each => each.kind === kind)
}

function inWaves<T>(items: readonly T[], waveOf: (item: T) => number): T[][] {
  const waves = new Map<number, T[]>()
  for (const item of items) waves.set(waveOf(item), [...(waves.get(waveOf(item)) ?? []), item])
  return [...waves].toSorted(([a], [b]) => a - b).map(([, wave]) => wave)
}
