import type { Cause } from '../../messages.ts'
import type { DeploymentDigest } from '../../observed/deployment.ts'
import type { PodDigest } from '../../observed/pod.ts'
import type { InstanceDigest } from './instance-digest.ts'

/** A child or pod that carries the labels of an instance. One shape serves all kinds: there are five for an instance. */
export interface Dependent {
  kind: string
  namespace: string
  name: string
  resourceVersion: string
  /** Value of the `instance-uid` label. A predecessor's child has another uid than the instance under its name. */
  ownerUid: string | undefined
  /** See `childVersion`; empty for a pod. */
  version: string
  deleting: boolean
  deployment: DeploymentDigest | undefined
  pod: PodDigest | undefined
  /** See `exposureState`; undefined for an object that does not expose the instance. */
  exposure: string | undefined
  /** Name of the shared policy that a pod, or the pod of a Deployment, is selected by. */
  policy: string | undefined
  row: Row
}

export interface TemplateDigest {
  uid: string
  generation: number
  /** `updateStrategy: Keep`: a new generation restarts nothing. */
  keep: boolean
}

/** A template, or the name of one that an instance refers to and that does not exist. */
export interface TemplateEntry {
  readonly namespace: string
  readonly name: string
  digest: TemplateDigest | undefined
  readonly rows: Set<Row>
}

/** A message that was sent and whose effect is not seen yet. */
export interface Outstanding {
  uid: string
  cause: Cause
  /** `mismatchKey` of the mismatch that the message is about. While it stays the same, one message is enough. */
  key: string
  /** Epoch milliseconds. */
  sentAt: number
  /** Milliseconds after which the message counts as lost. The next wait is twice as long. */
  waitMs: number
  /** The message is not the first one about this mismatch. */
  repeated: boolean
  /** The versions by which a mismatch of children or pods was judged, joined; empty for another mismatch. */
  versions: string
  /** Since when newer versions show the same mismatch, in epoch milliseconds. */
  outdatedSince: number | undefined
  /** How often the message was sent again for newer versions. */
  repeatsForNewer: number
}

/** The kinds of changes that reach the instances of a template in turn: of the template, and of the operator's settings. */
export const laneNames = ['rollout', 'settings'] as const
export type LaneName = (typeof laneNames)[number]

export interface Turn {
  sent: Outstanding | undefined
  /** The row waits in the fan-out of the lane. */
  waits: boolean
}

const newTurn = (): Turn => ({ sent: undefined, waits: false })

/** Everything known under one `namespace/name`: the instance, the objects with its labels, the messages sent for it. */
export interface Row {
  readonly namespace: string
  readonly name: string
  instance: InstanceDigest | undefined
  template: TemplateEntry | undefined
  dependents: Dependent[]
  outstanding: Outstanding | undefined
  /** The changes that reach the row in its turn. */
  readonly turns: Readonly<Record<LaneName, Turn>>
  /** The message that says that the roll-out is held. */
  heldNotice: Outstanding | undefined
  /** Since when a mismatch is delayed that may be the echo of our own write, in epoch milliseconds. */
  delayedSince: number | undefined
  /** Place in the heap of the clock; -1: not in it. */
  clockIndex: number
  /** When the clock evaluates the row again, in epoch milliseconds. */
  dueAt: number
}

export function createRow(namespace: string, name: string): Row {
  return {
    namespace,
    name,
    instance: undefined,
    template: undefined,
    dependents: [],
    outstanding: undefined,
    turns: { rollout: newTurn(), settings: newTurn() },
    heldNotice: undefined,
    delayedSince: undefined,
    clockIndex: -1,
    dueAt: 0,
  }
}
