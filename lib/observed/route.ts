import type { Condition, GatewayRoute } from '../crd/objects.ts'
import type { Reason } from '../reasons.ts'

/** What the controller of a Gateway says about a route. */
interface RouteState {
  /** `accepted`, `pending`, or what is refused and why. */
  state: string
  /** The condition that refuses the route. */
  refusal: Condition | undefined
}

/** Reasons of the condition `Accepted` by which the Gateway has no listener for the route. */
const noListener: ReadonlySet<string> = new Set([
  'NotAllowedByListeners',
  'NoMatchingListenerHostname',
  'NoMatchingParent',
  'UnsupportedProtocol',
])

/** Characters of a controller's words that a message shows, and of its reason that a state holds. */
const messageLimit = 300
const reasonLimit = 60

/** Returns what the controllers say about our one parent. One that accepts and resolves the route suffices. */
export function routeState(route: GatewayRoute): RouteState {
  const answers = ourParents(route).map(conditions => answerOf(route, conditions))
  return (
    answers.find(({ state }) => state === 'accepted') ??
    answers.find(({ refusal }) => refusal !== undefined) ?? { state: 'pending', refusal: undefined }
  )
}

/** Returns why players do not come by the route; undefined: they do. */
export function routeLack(route: GatewayRoute): { reason: Reason; message: string } | undefined {
  const { state, refusal } = routeState(route)
  const what = `${route.kind} "${route.metadata.name}"`
  if (state === 'accepted') return undefined
  if (refusal === undefined)
    return {
      reason: 'AddressPending',
      message: `${what} is not taken up yet; the controller of its Gateway has to accept it.`,
    }
  const words = [refusal.reason, refusal.message].filter(text => text !== '').join(': ')
  const shown = words
    .replace(/\p{Cc}/gu, ' ')
    .slice(0, messageLimit)
    .toWellFormed()
  return {
    reason: noListener.has(refusal.reason) ? 'ExposureUnsupported' : 'RouteRejected',
    message: `${what} is refused by the controller of its Gateway (${shown}).`,
  }
}

function ourParents({ metadata, spec, status }: GatewayRoute): Condition[][] {
  const [wanted] = spec.parentRefs
  return (status?.parents ?? [])
    .filter(
      ({ parentRef }) =>
        parentRef.name === wanted?.name &&
        (parentRef.namespace ?? metadata.namespace) === (wanted.namespace ?? metadata.namespace) &&
        (wanted.sectionName === undefined || parentRef.sectionName === wanted.sectionName),
    )
    .map(({ conditions = [] }) => conditions)
}

/** What a controller said about an earlier generation of the route counts no more. */
function answerOf({ metadata }: GatewayRoute, conditions: readonly Condition[]): RouteState {
  const { generation = 0 } = metadata
  const current = (type: string) =>
    conditions.find(each => each.type === type && (each.observedGeneration ?? generation) >= generation)
  const both = [current('Accepted'), current('ResolvedRefs')]
  const refusal = both.find(each => each?.status === 'False')
  if (refusal) return { state: `refused ${refusal.reason.slice(0, reasonLimit)}`, refusal }
  const isAccepted = both.every(each => each?.status === 'True')
  return { state: isAccepted ? 'accepted' : 'pending', refusal: undefined }
}
