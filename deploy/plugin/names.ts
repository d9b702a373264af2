import { createHash } from 'node:crypto'

export interface Installation {
  /** The name of the EKS cluster: letters, digits, - and _, at most 100 characters. */
  cluster: string
  region: string
}

const product = 'challenge-operator'

/** Hexadecimal digits of a hash that replaces what was cut from a name. */
const hashLength = 8

/**
 * AWS's limit of characters for each kind. A stack has neither `_` nor `.` in its name, and a stack, a queue, a function
 * and a bus need to be unique in their account and region, a role in its account.
 */
const limits = { stack: 128, function: 64, queue: 80, role: 64, bus: 256 } as const
type Kind = keyof typeof limits

/**
 * Composes `challenge-operator-<cluster>[-<end>]`. A cluster's name that does not fit is cut, or its `_` replaced, and
 * then a hash of the whole name follows, so that no two clusters share a name.
 */
function nameOf(kind: Kind, cluster: string, end: string): string {
  const room = limits[kind] - product.length - 1 - end.length
  const allowed = kind === 'stack' ? cluster.replaceAll('_', '-') : cluster
  if (allowed === cluster && cluster.length <= room) return `${product}-${cluster}${end}`
  const hash = createHash('sha256').update(cluster).digest('hex').slice(0, hashLength)
  return `${product}-${allowed.slice(0, room - hashLength - 1)}-${hash}${end}`
}

export const stackName = ({ cluster }: Installation) => nameOf('stack', cluster, '')
export const busName = ({ cluster }: Installation) => nameOf('bus', cluster, '')
export const functionName = ({ cluster }: Installation, name: string) =>
  nameOf('function', cluster, `-${name}`)

/** @param name ends in `.fifo` for a FIFO queue */
export const queueName = ({ cluster }: Installation, name: string) => nameOf('queue', cluster, `-${name}`)

/** Names of IAM belong to an account, not to a region. They stay the same when a stack is removed and deployed again. */
export const roleName = ({ cluster, region }: Installation, name: string) =>
  nameOf('role', cluster, `-${region}-${name}`)
