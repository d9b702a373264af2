import { currentScope } from '../../telemetry/scope.ts'
import type { Tracer } from '../../telemetry/span.ts'
import type { KubernetesClient } from './http.ts'

/** Wraps a client, and records a span for each call of a pass. Without a tracer it returns the client itself. */
export function withCallSpans(client: KubernetesClient, tracer: Tracer | undefined): KubernetesClient {
  if (tracer === undefined) return client
  return {
    ...client,
    async request(method, path, request, signal) {
      const parent = currentScope()?.span
      if (parent === undefined) return client.request(method, path, request, signal)
      const startedAt = preciseNow()
      const record = (status: number | undefined, failure?: string) =>
        tracer.record({
          name: `${method} ${resourceOf(path)}`,
          kind: 'client',
          parent,
          startedAt,
          endedAt: preciseNow(),
          attributes: {
            'http.request.method': method,
            'url.path': path,
            'http.response.status_code': status,
          },
          failure,
        })
      try {
        const answer = await client.request(method, path, request, signal)
        record(answer.status, answer.status >= 500 ? `HTTP ${answer.status}` : undefined)
        return answer
      } catch (thrown) {
        record(undefined, thrown instanceof Error ? thrown.name : 'no answer')
        throw thrown
      }
    },
  }
}

/** Epoch milliseconds with a fraction, since a call takes few of them. */
function preciseNow(): number {
  return performance.timeOrigin + performance.now()
}

/** The resource of a path, without its names: `deployments` or `challengeinstances/status`. */
function resourceOf(path: string): string {
  const parts = path
    .replace(/^\/(api|apis\/[^/]+)\/[^/]+/, '')
    .split('/')
    .filter(each => each !== '')
  const [first = path, , ...inNamespace] = parts
  const [resource = first, , subresource] =
    first === 'namespaces' && inNamespace.length > 0 ? inNamespace : parts
  return subresource === undefined ? resource : `${resource}/${subresource}`
}
