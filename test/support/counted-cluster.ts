import type { Cluster } from '../../lib/kubernetes/cluster.ts'

/** A cluster that notes the name of each method that is called, oldest first. Its own uid is read only once, so that is left out. */
export function countedCluster(cluster: Cluster): Cluster & { calls: string[] } {
  const calls: string[] = []
  const counted = new Proxy(cluster, {
    get(inner, name: keyof Cluster) {
      const method = inner[name]
      return (...given: unknown[]) => {
        if (name !== 'uid') calls.push(describeCall(name, given[0]))
        return Reflect.apply(method, inner, given)
      }
    },
  })
  return Object.assign(Object.create(counted) as Cluster, { calls })
}

function describeCall(name: string, subject: unknown): string {
  const { kind } = (subject ?? {}) as { kind?: string }
  return kind === undefined ? name : `${name} ${kind}`
}
